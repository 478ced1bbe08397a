"""PROOF.md from what a proof measured: tables like the paper's 4-6, curves, tests, and what did not come out.

python benchmarks/proof_page.py WORK OUT
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import proof_tree
from proof_tests import Test, all_tests, perplexity, ranked, read, verdict

from chimed.release import open_release
from qilin_stages.evals import significance, tables
from qilin_stages.training.watching import read_metrics

TITLES = {"ceval": "Like the paper's Table 4: C-Eval", "cmexam": "Like Table 5: CMExam, answers",
          "cmexam-explanation": "Like Table 5: CMExam, explanations", "huatuo": "Like Table 6: Huatuo-26M"}  # fmt: skip
CHAIN = ("base", "cpt", "sft", "dpo")
RUNS = ("cpt", "sft", "dpo", "sft-alone", "cpt-repeats")


def markdown(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines) + "\n"


# ---- the page ----


def data_part(work: Path) -> str:
    rows = []
    for name in ("cpt", "sft", "dpo", "cpt-repeats"):
        release = open_release(next((work / "releases" / name).glob("ChiMed-*")))
        lost: dict[str, int] = {}
        for source in release.manifest.sources:
            for reason, count in source.lost.items():
                lost[reason] = lost.get(reason, 0) + count
        told = ", ".join(f"{reason} {count:,}" for reason, count in sorted(lost.items()))
        sources = [s for s in release.manifest.sources if s.read]
        rows.append(
            [name, len(sources), f"{sum(s.read for s in sources):,}", f"{sum(s.records for s in sources):,}", told]
        )
    return markdown(["split", "sources", "rows read", "records published", "rows lost"], rows)


def training_part(work: Path) -> str:
    rows = []
    for name in RUNS:
        lines = read_metrics(work / name)
        loss = [line["loss"] for line in lines if "loss" in line]
        held = [line["eval_loss"] for line in lines if "eval_loss" in line]
        rows.append([name, lines[-1]["step"], f"{max(line.get('tokens', 0) for line in lines):,}",
                     f"{max(line['seconds'] for line in lines):.0f}", f"{loss[0]:.3f}", f"{loss[-1]:.3f}",
                     " → ".join(f"{v:.3f}" for v in dict.fromkeys((held[0], held[-1]))) if held else "–"])  # fmt: skip
    return markdown(
        ["run", "steps", "tokens", "seconds", "first loss", "last loss", "loss on the validation part"], rows
    )


def score_part(work: Path) -> str:
    rows = []
    for name in (*CHAIN, "sft-alone", "cpt-repeats"):
        value, (low, high) = perplexity(work, name)
        likelier = ranked(work, name)
        share, (least, most) = 100 * sum(likelier) / len(likelier), significance.wilson(sum(likelier), len(likelier))
        rows.append([name, f"{value:.1f} [{low:.1f}, {high:.1f}]", f"{share:.1f} [{least:.1f}, {most:.1f}]"])
    return markdown(["model", "perplexity of the held-out book", "better reply likelier per token, % of pairs"], rows)


def paper_tables(work: Path) -> str:
    parts = []
    for kind in ("ceval", "text"):
        for result in read(work / "evaluation" / "chain" / kind / "results.json")["tasks"]:
            rows = [[kind_, Path(name).name, *cells] for kind_, name, *cells in tables.body(result)]
            parts.append(f"### {TITLES[result['task']]} (n = {result['n']})\n\n"
                         + markdown(["", "name", "n", *tables.columns(result)], rows)
                         + f"\n{result['paper'].get('note', '')}\n")  # fmt: skip
    return "\n".join(parts)


def test_part(tests: list[Test], adjusted: dict[str, float], group: str) -> str:
    rows = [
        [t.claim, f"{t.difference:+.3f} [{t.interval[0]:+.3f}, {t.interval[1]:+.3f}]", f"{t.p:.2g}",
         f"{adjusted[t.claim]:.2g}", t.how, verdict(t, adjusted[t.claim])]
        for t in tests if t.group == group
    ]  # fmt: skip
    return markdown(["claim", "difference [95 %]", "p", "Holm p", "test", "verdict"], rows)


def not_shown(tests: list[Test], adjusted: dict[str, float]) -> str:
    missing = [t for t in tests if verdict(t, adjusted[t.claim]) != "**holds**"]
    lines = [f"- {t.claim}: {t.difference:+.3f}, Holm p = {adjusted[t.claim]:.2g} – {verdict(t, adjusted[t.claim])}."
             for t in missing]  # fmt: skip
    return "\n".join(lines) + "\n" if lines else "Nothing: every test above came out as claimed.\n"


def draw(work: Path, out: Path) -> None:
    """Training curves of all runs in one picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, places = plt.subplots(1, 4, figsize=(15, 3.2), dpi=70, layout="constrained")
    panels = [("loss, CPT", "loss", ("cpt", "cpt-repeats")), ("loss, SFT", "loss", ("sft", "sft-alone")),
              ("loss, DPO", "loss", ("dpo",)), ("preference accuracy, DPO", "accuracy", ("dpo",))]  # fmt: skip
    for place, (title, key, names) in zip(places, panels, strict=True):
        for name in names:
            for wanted, style in ((key, "-"), (f"eval_{key}", "o--")):
                points = [(line["step"], line[wanted]) for line in read_metrics(work / name) if wanted in line]
                place.plot(
                    *zip(*points, strict=True),
                    style,
                    ms=3,
                    lw=1,
                    label=f"{name} {'held out' if 'eval' in wanted else ''}",
                ) if points else None
        place.set_title(title)
        place.set_xlabel("step")
        if place.lines:
            place.legend(fontsize=7)
    figure.savefig(out, metadata={"Software": None})


def write_page(work: Path, out: Path) -> None:
    """Write OUT and the picture beside it."""
    plan, tests = read(work / "plan.json"), all_tests(work)
    adjusted = significance.holm({t.claim: t.p for t in tests})
    parameters = read(work / "scores" / "base.json")["parameters"]
    pairs, book = (len(read(work / "scores" / "base.json")[k]) for k in ("pairs", "book"))
    taken = ", ".join(sorted(place for place in read(work / "taken.json").values()))
    minutes = sum(max(line["seconds"] for line in read_metrics(work / name)) for name in RUNS) / 60
    picture = out.with_suffix(".png")
    draw(work, picture)
    out.write_text(f"""# The paper's claim in miniature

Written by `make proof`; every figure below is computed by it. A model of {parameters:,} parameters with random weights
goes through continued pre-training, supervised fine-tuning and preference optimisation on real text and is measured
after each stage on text that it never saw. The five runs below trained for {minutes:.0f} minutes in sum, two at a time
on two CPU cores ({plan["tokens_per_second"]:,} tokens/s each in CPT; other work may have shared the cores).
The claim is about directions between stages; nothing here says that such a model
knows medicine. A longer run (`--minutes`) trains on more tokens and asks more items.

## Data

{data_part(work)}
`cpt-repeats` is the CPT split with deduplication off. Benchmark items are kept out of all splits by the guard
(reason `contaminated`). One textbook ({proof_tree.HELD_OUT}) was held back for perplexity: {book}
passages of it are scored. {pairs} preference pairs in whole near-duplicate clusters were held back for DPO.
Folders taken, of each source the one with most bytes: {taken}.

## Training

{training_part(work)}
![curves]({picture.name})

## Tables

Floors are answers that need no model; brackets hold 95 % intervals; the paper's rows are for orientation only.

{paper_tables(work)}
### Perplexity and preference

{score_part(work)}
## Claims

Every difference is signed so that the claim says it is above zero; p values are Holm-adjusted over all {len(tests)}
tests of this page, ablations included.

{test_part(tests, adjusted, "claim")}
## Ablations

`sft-alone` is SFT from the random model without CPT; `cpt-repeats` is CPT without deduplication; both with the same
number of steps.

{test_part(tests, adjusted, "ablation")}
## What did not come out

{not_shown(tests, adjusted)}""", encoding="utf-8")  # fmt: skip


if __name__ == "__main__":
    write_page(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
