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

TEXT = {"cmexam-explanation": "CMExam explanations", "huatuo": "Huatuo-26M answers"}
METRICS = ("bleu1", "bleu4", "rouge1", "rouge2", "rougeL")


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
