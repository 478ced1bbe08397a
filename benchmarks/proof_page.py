"""PROOF.md from what a proof measured: tables like the paper's 4-6, curves, tests, and what did not come out.

python benchmarks/proof_page.py WORK OUT
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import proof_tree
from proof_tests import (
    HOLDS,
    OPPOSITE,
    TEXT,
    Test,
    all_tests,
    corrected,
    judged,
    level,
    perplexity,
    ranked,
    read,
    verdict,
)

from chimed.release import open_release
from qilin_stages.evals import significance, tables
from qilin_stages.training.watching import read_metrics

TITLES = {"ceval": "Like the paper's Table 4: C-Eval", "cmexam": "Like Table 5: CMExam, answers",
          "cmexam-explanation": "Like Table 5: CMExam, explanations", "huatuo": "Like Table 6: Huatuo-26M"}  # fmt: skip
CHAIN = ("base", "cpt", "sft", "dpo")
RUNS = ("cpt", "sft", "dpo", "sft-alone", "cpt-short", "cpt-repeats")
CHOSEN = """The shape and the learning rates of CPT and DPO were compared in a few short runs, by training loss and on validation
parts of the training data (for DPO a part of the training pairs); SFT's rate and mixture were set after one such run.
The items scored here took no part in it."""


def markdown(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines) + "\n"


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
    for name in (*CHAIN, "sft-alone", "cpt-short", "cpt-repeats"):
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
        [t.claim, f"{t.levels[0]:.2f} → {t.levels[1]:.2f}", f"{t.difference:+.2f} [{t.interval[0]:+.2f}, {t.interval[1]:+.2f}]",
         f"{t.p:.2g}", f"{adjusted[t.claim]:.2g}", verdict(t, adjusted[t.claim])]
        for t in tests if t.group == group
    ]  # fmt: skip
    return markdown(["claim", "from → to", "difference [95 %]", "p", "Holm p", "verdict"], rows)


def count_part(tests: list[Test], adjusted: dict[str, float]) -> str:
    """The primary claims that did not come out, then of the other groups how many did."""
    lines = [f"- {t.claim}: {verdict(t, adjusted[t.claim])} ({t.difference:+.2f}, Holm p = {adjusted[t.claim]:.2g})."
             for t in tests if t.group == "primary" and verdict(t, adjusted[t.claim]) != HOLDS]  # fmt: skip
    lines = lines or ["- Of the primary claims: nothing, all of them hold."]
    for group, words in (("secondary", "secondary tests"), ("ablation", "tests of the ablations")):
        said = [verdict(t, adjusted[t.claim]) for t in tests if t.group == group]
        lines.append(f"- Of {len(said)} {words}: {said.count(HOLDS)} hold, the opposite holds in {said.count(OPPOSITE)}, "
                     f"{len(said) - said.count(HOLDS) - said.count(OPPOSITE)} are not shown.")  # fmt: skip
    return "\n".join(lines) + "\n"


def after_dpo(work: Path) -> str:
    """What DPO does to the written answers."""
    told = []
    for task, words in TEXT.items():
        before, after = (level(judged(work, name, task), "bleu1") for name in ("sft", "dpo"))
        told.append(f"{words} {before:.2f} → {after:.2f}")
    return "BLEU-1 from SFT to DPO, " + ", ".join(told)


def draw(work: Path, out: Path) -> None:
    """Training curves of all runs in one picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, places = plt.subplots(1, 4, figsize=(15, 3.2), dpi=70, layout="constrained")
    panels = [("loss, CPT", "loss", ("cpt", "cpt-short", "cpt-repeats")), ("loss, SFT", "loss", ("sft", "sft-alone")),
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


def setting_part(work: Path) -> str:
    """What each stage was trained with, from its own record."""
    rows = []
    for name in ("cpt", "sft", "dpo"):
        recipe = read(work / name / "run.json")["recipe"]
        train = recipe["train"]
        rows.append([name, train["learning_rate"], train["per_device_train_batch_size"],
                     recipe.get("block_size") or recipe.get("pack_length") or "one pair", recipe.get("beta", "–")])  # fmt: skip
    return markdown(["stage", "peak learning rate", "rows a step", "tokens a row at most", "beta"], rows)


def write_page(work: Path, out: Path) -> None:
    """Write OUT and the picture beside it."""
    tests = all_tests(work)
    adjusted = corrected(tests)
    plan, base, config = (read(work / name) for name in ("plan.json", "scores/base.json", "base/config.json"))
    taken = ", ".join(sorted(read(work / "taken.json").values()))
    decoding = read(work / "decoding.json")
    chosen = ", ".join(f"{name} {value:g}" for name, value in decoding["chosen"].items())
    minutes = sum(max(line["seconds"] for line in read_metrics(work / name)) for name in RUNS) / 60
    picture = out.with_suffix(".png")
    draw(work, picture)
    out.write_text(f"""# The paper's claim in miniature

A Llama-shaped model of {base["parameters"]:,} parameters with random weights goes through continued pre-training (CPT),
supervised fine-tuning (SFT) and preference optimisation (DPO) on real text, and is measured after each stage on text
that it never saw. The claim is about directions between stages; nothing here says that such a model knows medicine.
Everything below is written by `make proof`.

## Result

{test_part(tests, adjusted, "primary")}
"From → to" are the two levels compared; every difference is signed so that the claim says it is above zero. BLEU, ROUGE
and accuracies are × 100. A floor is an answer that needs no model (another item's answer, the question copied, one fixed
polite reply); the highest one of each measure counts. A pair's implicit reward is right where DPO raised the better
reply's log-probability, against the SFT model, by more than the worse one's. These claims were named in
`benchmarks/proof_tests.py` before the run; their p values are Holm-corrected among themselves, those of the
{sum(t.group != "primary" for t in tests)} other tests (end of the page) as a second family.

What did not come out:

{count_part(tests, adjusted)}- Not tested, only seen: {after_dpo(work)} (in the paper's Table 6 it rises).

![training curves]({picture.name})

## How it was made

{config["num_hidden_layers"]} layers of width {config["hidden_size"]}, {config["vocab_size"]:,} tokens; all weights are trained in all stages. The six runs took
{minutes:.0f} minutes in sum, two at a time on two cores shared with other work, at low priority. Their steps were settled at
the start from `--minutes {plan["minutes"]:g}` and a measured {plan["tokens_per_second"]:,} tokens per second of a core's own time, and followed
however long it took.

{setting_part(work)}
{CHOSEN}
All answers are greedy. Of {len(decoding["tried"])} settings of decoding the program took, for all models alike, the one with which the SFT
model had the highest BLEU-1 plus ROUGE-L on {decoding["rows"]} validation rows: {chosen}.

### Data

{data_part(work)}
`cpt-repeats` is the CPT split with deduplication off. Benchmark items are kept out of all splits by the guard (reason
`contaminated`). The mixture of SFT is ten medical rows to each general one, CMExam's explanations twice, half of the
dialogues. One textbook ({proof_tree.HELD_OUT}) was held back for perplexity ({len(base["book"])} passages scored), and
{len(base["pairs"])} preference pairs in whole near-duplicate clusters for DPO.
Folders taken, of each source the one with most bytes: {taken}.

### Training

{training_part(work)}
## Tables

Brackets hold 95 % intervals; the paper's rows are for orientation only.

{paper_tables(work)}
### Perplexity and preference

{score_part(work)}
## Secondary tests

All tests are two-sided: a paired bootstrap over items for BLEU, ROUGE and loss, exact McNemar for accuracies and the
ranking of pairs, exact binomial for the implicit reward.

{test_part(tests, adjusted, "secondary")}
## Ablations

`sft-alone` is SFT from the random model without CPT, with the same steps. `cpt-short` and `cpt-repeats` are two short
runs of CPT, with and without deduplication, of the same steps. Every run was made once: the tests speak of other passages
and items, not of other seeds, and a difference as small as that of the short runs may come from the order of their rows.

{test_part(tests, adjusted, "ablation")}""", encoding="utf-8")  # fmt: skip


if __name__ == "__main__":
    write_page(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
