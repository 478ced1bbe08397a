"""Stage against stage on the same items: differences with intervals, paired tests, Holm's correction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qilin_stages.evals import significance
from qilin_stages.evals.task import Row
from qilin_stages.evals.text import definition


def compare(rows: dict[str, list[Row]], protocol: str) -> list[dict[str, Any]]:
    """Each model against the one before it; p values corrected over all tests of the task."""
    names = list(rows)
    tests = [test for one, other in zip(names, names[1:], strict=False) for test in _tests(rows, one, other, protocol)]
    adjusted = significance.holm({str(i): test["p"] for i, test in enumerate(tests)})
    return [test | {"p_holm": adjusted[str(i)]} for i, test in enumerate(tests)]


def _tests(rows: dict[str, list[Row]], one: str, other: str, protocol: str) -> list[dict[str, Any]]:
    pairs = [(a, b) for a, b in zip(rows[one], rows[other], strict=True) if a["score"] is not None]
    before, after = [a for a, _ in pairs], [b for _, b in pairs]
    named: dict[str, Any] = {"from": one, "to": other, "n": len(pairs)}
    if not pairs:
        return []
    if "counts" in before[0]:
        return [named | test for test in _text_tests(before, after, definition(protocol).smoothed)]
    difference, interval, p = significance.paired_bootstrap(_scores(before), _scores(after))
    exact = significance.mcnemar([a["score"] == 100 for a in before], [b["score"] == 100 for b in after])
    return [
        named
        | {
            "metric": "accuracy", "difference": difference, "ci": interval, "p": exact, "p_bootstrap": p,
            "test": "exact McNemar; interval by paired bootstrap",
        }
    ]  # fmt: skip


def _text_tests(before: Sequence[Row], after: Sequence[Row], smoothed: bool) -> list[dict[str, Any]]:
    out = []
    counts = [np.array([row["counts"] for row in rows], dtype=np.int64) for rows in (before, after)]
    for order, name in ((1, "bleu1"), (4, "bleu4")):
        difference, interval, p = significance.paired_bleu(counts[0], counts[1], order, smoothed)
        out.append({"metric": name, "difference": difference, "ci": interval, "p": p, "test": "paired bootstrap"})
    for name in ("rouge1", "rouge2", "rougeL"):
        values = [np.array([row[name] for row in rows]) for rows in (before, after)]
        difference, interval, p = significance.paired_bootstrap(values[0], values[1])
        out.append({"metric": name, "difference": difference, "ci": interval, "p": p, "test": "paired bootstrap"})
    return out


def _scores(rows: Sequence[Row]) -> Any:
    return np.array([float(row["score"]) for row in rows])
