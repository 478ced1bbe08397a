"""What a proof measured, model by model, and every claim and ablation as a paired test."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from qilin_stages.evals import paired, significance
from qilin_stages.evals.runner import slug
from qilin_stages.evals.task import Row, load
from qilin_stages.evals.text import bleu, definition

TEXT = {"cmexam-explanation": "CMExam explanations", "huatuo": "Huatuo-26M answers"}
NAMES = {"bleu1": "BLEU-1", "bleu4": "BLEU-4", "rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L"}
HOLDS, OPPOSITE = "**holds**", "**the opposite holds**"
# Named before the first full run: the few claims that decide, a Holm family of their own. All else is secondary.
PRIMARY = {"cmexam-explanation": ("bleu1", "rougeL")}


@dataclass(frozen=True)
class Test:
    """One claim: both levels, the measured difference in the claimed direction, its interval and its p value."""

    group: str
    claim: str
    levels: tuple[float, float]
    difference: float
    interval: tuple[float, float]
    p: float


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


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
    file = work / "evaluation" / out / "text" / slug(str(work / "decoded" / name)) / f"{task}.sound.parquet"
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
    out = [of_loss(work, "primary", "perplexity of the held-out book falls by CPT", "base", "cpt")]
    for task, words in TEXT.items():
        rows = {name: judged(work, name, task) for name in ("cpt", "sft")}
        out += of_text(task, f"{words}: SFT above CPT", rows)
        out += above_floors(task, words, rows["sft"], floors(work, task))
    for start, end, words in (("base", "cpt", "CPT above base"), ("cpt", "sft", "SFT above CPT")):
        rows = {name: judged(work, name, "cmexam") for name in (start, end)}
        out += of_text("cmexam", f"CMExam answers: {words}", rows)
    out += of_preference(work)
    for task, words in TEXT.items():
        rows = {name: judged(work, name, task, "alone") for name in ("sft-alone", "sft")}
        out += of_text(task, f"{words}: SFT with CPT above SFT without", rows, "ablation")
    out.append(of_loss(work, "ablation", "perplexity: SFT with CPT below SFT without", "sft-alone", "sft"))
    out.append(of_loss(work, "ablation", "perplexity: short CPT on deduplicated text below short CPT on all",
                       "cpt-repeats", "cpt-short"))  # fmt: skip
    return out


def corrected(tests: list[Test]) -> dict[str, float]:
    """Holm-adjusted p by claim: the primary claims are one family, everything else another."""
    families = [[t for t in tests if (t.group == "primary") == first] for first in (True, False)]
    return {k: v for family in families for k, v in significance.holm({t.claim: t.p for t in family}).items()}


def of_loss(work: Path, group: str, claim: str, one: str, other: str) -> Test:
    """Fall of the mean loss per token (nats), paired over passages."""
    before, after = losses(work, one), losses(work, other)
    difference, interval, p = significance.paired_bootstrap(after, before)
    levels = float(before.mean()), float(after.mean())
    return Test(group, f"{claim} (nats per token)", levels, difference, interval, p)


def of_text(task: str, claim: str, rows: dict[str, list[Row]], group: str | None = None) -> list[Test]:
    """A test per measure of the second model against the first one; primary where PRIMARY names the measure."""
    out = []
    for test in paired.compare(rows, "sound"):
        metric = test["metric"]
        of = group or ("primary" if metric in PRIMARY.get(task, ()) else "secondary")
        before, after = (level(each, metric) for each in rows.values())
        named = f"{claim}, {NAMES.get(metric, metric)}"
        out.append(Test(of, named, (before, after), test["difference"], test["ci"], test["p"]))
    return out


def level(rows: list[Row], metric: str) -> float:
    """A measure of a set of judged rows, x 100."""
    if metric in ("bleu1", "bleu4"):
        counts = np.array([row["counts"] for row in rows], dtype=np.int64).sum(axis=0)
        return bleu(counts, int(metric[-1]), definition("sound").smoothed)
    values = [row["score" if metric == "accuracy" else metric] for row in rows]
    return float(np.mean([value for value in values if value is not None]))


def above_floors(task: str, words: str, rows: list[Row], known: dict[str, list[Row]]) -> list[Test]:
    """SFT against the highest floor of each measure."""
    by_floor = [of_text(task, f"{words}: SFT above the highest floor ({name})", {name: floor, "sft": rows})
                for name, floor in known.items()]  # fmt: skip
    return [min(same, key=lambda test: test.difference) for same in zip(*by_floor, strict=True)]


def of_preference(work: Path) -> list[Test]:
    """Held-out pairs: the implicit reward against chance, and the ranking before and after DPO."""
    gained, before, after = gains(work, "dpo", "sft"), ranked(work, "sft"), ranked(work, "dpo")
    low, high = significance.wilson(sum(gained), len(gained))
    chance = significance.mcnemar([not g for g in gained], gained)
    share = 100 * sum(gained) / len(gained)
    values = [np.array(x, dtype=float) * 100 for x in (before, after)]
    difference, interval, _ = significance.paired_bootstrap(*values)
    return [
        Test("primary", "DPO: accuracy of the implicit reward on held-out pairs above the reference's 50 %", (50, share),
             share - 50, (low - 50, high - 50), chance),
        Test("secondary", "DPO: the better reply is the likelier one per token more often than after SFT",
             (float(values[0].mean()), float(values[1].mean())), difference, interval,
             significance.mcnemar(before, after)),
    ]  # fmt: skip


def verdict(test: Test, adjusted: float) -> str:
    if test.difference > 0 and adjusted < 0.05:
        return HOLDS
    if test.difference < 0 and adjusted < 0.05:
        return OPPOSITE
    return "not shown"
