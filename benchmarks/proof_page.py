"""PROOF.md from what a proof measured: tables like the paper's 4-6, curves, tests, and what did not come out.

python benchmarks/proof_page.py WORK OUT
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import proof_tree
import pyarrow.parquet as pq

from chimed.release import open_release
from qilin_stages.evals import paired, significance, tables
from qilin_stages.evals.runner import slug
from qilin_stages.evals.task import Row, load
from qilin_stages.report import _metrics

TEXT = {"cmexam-explanation": "CMExam explanations", "huatuo": "Huatuo-26M answers"}
METRICS = ("bleu1", "bleu4", "rouge1", "rouge2", "rougeL")
TITLES = {"ceval": "Like the paper's Table 4: C-Eval", "cmexam": "Like Table 5: CMExam, answers",
          "cmexam-explanation": "Like Table 5: CMExam, explanations", "huatuo": "Like Table 6: Huatuo-26M"}  # fmt: skip
CHAIN = ("base", "cpt", "sft", "dpo")
RUNS = ("cpt", "sft", "dpo", "sft-alone", "cpt-repeats")


@dataclass(frozen=True)
class Test:
    """One claim: the measured difference in the claimed direction, its interval and its p value."""

    group: str
    claim: str
    difference: float
    interval: tuple[float, float]
    p: float
    how: str


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def markdown(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines) + "\n"


# ---- what was measured ----


def losses(work: Path, name: str) -> Any:
    """Mean loss of each passage of the held-out book."""
    return np.array([row["nll"] / row["tokens"] for row in read(work / "scores" / f"{name}.json")["book"]])


def perplexity(work: Path, name: str) -> tuple[float, tuple[float, float]]:
    """Perplexity per token with its interval over passages."""
    rows = read(work / "scores" / f"{name}.json")["book"]
    nll, tokens = np.array([r["nll"] for r in rows]), np.array([r["tokens"] for r in rows])

    def value(i: Any) -> float:
        return math.exp(nll[i].sum() / tokens[i].sum())

    return value(np.arange(len(rows))), significance.bootstrap(len(rows), value)


def gains(work: Path, name: str, before: str) -> list[bool]:
    """Of each held-out pair whether the better reply gained more log-probability from `before` to `name`."""
    one, other = (read(work / "scores" / f"{n}.json")["pairs"] for n in (before, name))
    return [b["chosen"] - a["chosen"] > b["rejected"] - a["rejected"] for a, b in zip(one, other, strict=True)]


def ranked(work: Path, name: str) -> list[bool]:
    """Of each held-out pair whether the better reply is the likelier one per token."""
    pairs = read(work / "scores" / f"{name}.json")["pairs"]
    return [p["chosen"] / p["chosen_tokens"] > p["rejected"] / p["rejected_tokens"] for p in pairs]


def judged(work: Path, name: str, task: str, out: str = "chain") -> list[Row]:
    """Stored rows of a model on a task."""
    file = work / "evaluation" / out / "text" / slug(str(work / name)) / f"{task}.sound.parquet"
    rows: list[Row] = pq.read_table(file).to_pylist()
    return rows


def floors(work: Path, task: str) -> dict[str, list[Row]]:
    """Judged rows of the floors on the same items."""
    found = load(task)
    items = found.items(work / "tree" / "eval", read(work / "plan.json")["items"])
    return found.floors(items, "sound")


# ---- tests ----


def all_tests(work: Path) -> list[Test]:
    """Every claim and ablation as a test; each difference is so signed that the claim says it is above zero."""
    out = [of_loss(work, "claim", "perplexity of the held-out book falls by CPT", "base", "cpt")]
    for task, words in TEXT.items():
        rows = {name: judged(work, name, task) for name in ("cpt", "sft")}
        out += [of_text("claim", f"{words}: SFT above CPT", t) for t in paired.compare(rows, "sound")]
        out += above_floors(words, rows["sft"], floors(work, task))
    for start, words in (("base", "CPT above base"), ("cpt", "SFT above CPT")):
        end = {"base": "cpt", "cpt": "sft"}[start]
        found = paired.compare({n: judged(work, n, "cmexam") for n in (start, end)}, "sound")
        out += [of_text("claim", f"CMExam answers: {words}", t) for t in found]
    out += of_preference(work)
    for task, words in TEXT.items():
        rows = {name: judged(work, name, task, "alone") for name in ("sft-alone", "sft")}
        out += [
            of_text("ablation", f"{words}: SFT with CPT above SFT without", t) for t in paired.compare(rows, "sound")
        ]
    out.append(of_loss(work, "ablation", "perplexity: SFT with CPT below SFT without", "sft-alone", "sft"))
    out.append(of_loss(work, "ablation", "perplexity: CPT on deduplicated text below CPT on all", "cpt-repeats", "cpt"))
    return out


def of_loss(work: Path, group: str, claim: str, one: str, other: str) -> Test:
    """Fall of the mean loss per token (nats), paired over passages."""
    difference, interval, p = significance.paired_bootstrap(losses(work, other), losses(work, one))
    return Test(group, f"{claim} (nats per token)", difference, interval, p, "paired bootstrap over passages")


def of_text(group: str, claim: str, test: dict[str, Any]) -> Test:
    return Test(group, f"{claim}, {test['metric']}", test["difference"], test["ci"], test["p"], test["test"])


def above_floors(words: str, rows: list[Row], known: dict[str, list[Row]]) -> list[Test]:
    """SFT against the highest floor of each metric."""
    out = []
    against = {name: paired.compare({name: floor, "sft": rows}, "sound") for name, floor in known.items()}
    for metric in METRICS:
        found = {n: next(t for t in tests if t["metric"] == metric) for n, tests in against.items()}
        hardest = min(found, key=lambda n: found[n]["difference"])
        out.append(of_text("claim", f"{words}: SFT above the highest floor ({hardest})", found[hardest]))
    return out


def of_preference(work: Path) -> list[Test]:
    """Held-out pairs: the implicit reward against chance, and the ranking before and after DPO."""
    gained, before, after = gains(work, "dpo", "sft"), ranked(work, "sft"), ranked(work, "dpo")
    low, high = significance.wilson(sum(gained), len(gained))
    chance = significance.mcnemar([not g for g in gained], gained)
    values = [np.array(x, dtype=float) * 100 for x in (before, after)]
    difference, interval, _ = significance.paired_bootstrap(*values)
    return [
        Test("claim", "DPO: the better reply of a held-out pair gains more, share above 50 %",
             100 * sum(gained) / len(gained) - 50, (low - 50, high - 50), chance, "exact binomial; Wilson interval"),
        Test("claim", "DPO: the better reply is the likelier one per token more often than after SFT", difference,
             interval, significance.mcnemar(before, after), "exact McNemar; interval by paired bootstrap"),
    ]  # fmt: skip


def verdict(test: Test, adjusted: float) -> str:
    if test.difference > 0 and adjusted < 0.05:
        return "**holds**"
    if test.difference < 0 and adjusted < 0.05:
        return "**the opposite holds**"
    return "not shown"


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
        lines = _metrics(work / name)
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
                points = [(line["step"], line[wanted]) for line in _metrics(work / name) if wanted in line]
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
    minutes = sum(max(line["seconds"] for line in _metrics(work / name)) for name in RUNS) / 60
    picture = out.with_suffix(".png")
    draw(work, picture)
    out.write_text(f"""# The paper's claim in miniature

Written by `make proof`; every figure below is computed by it. A model of {parameters:,} parameters with random weights
goes through continued pre-training, supervised fine-tuning and preference optimisation on real text and is measured
after each stage on text that it never saw. The five runs below trained for {minutes:.0f} minutes in sum, two at a time
on two CPU cores ({plan["tokens_per_second"]:,} tokens/s each in CPT; other work may have shared the cores), which is as
much as the planned time allowed. The claim is about directions between stages; nothing here says that such a model
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
