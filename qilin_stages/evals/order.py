"""Does the answer follow the option or its place? The same items under K cyclic shifts of their options."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from qilin_stages.evals.choice import canonical
from qilin_stages.evals.task import Item, Row

_REFERS = re.compile(r"以上|均|都不|[A-H]\s*[和与、+]\s*[A-H]|[①②③④⑤⑥]|\b[A-H]项")


def movable(item: Item) -> bool:
    """Whether the options stand for themselves: none speaks of the others (以上, 均, A和B, ①②)."""
    return len(item.options) > 1 and bool(item.answer) and not any(map(_REFERS.search, item.options.values()))


def shifted(item: Item, by: int) -> Item:
    """The item with the option texts moved `by` places on; the key moves with them, the id says so."""
    letters = sorted(item.options)
    place = {letter: letters[(i + by) % len(letters)] for i, letter in enumerate(letters)}
    texts = {place[letter]: item.options[letter] for letter in letters}
    key = "".join(sorted(place.get(x, x) for x in canonical(item.answer or "")))
    return replace(item, id=f"{item.id}#shift{by}", options=dict(sorted(texts.items())), answer=key)


def robustness(items: Sequence[Item], runs: Sequence[Sequence[Row]]) -> dict[str, Any]:
    """Mean accuracy over the shifts, share right in all, share of changed choices, accuracy by the key's place.

    `runs[k]` holds the judged rows of `shifted(item, k)` in the order of `items`; run 0 is unshifted.
    """
    if not items:
        return {"n": 0, "shifts": len(runs)}
    right = [[row["score"] == 100 for row in run] for run in runs]
    chosen = [[_texts(shifted(item, k), row["extracted"]) for item, row in zip(items, run, strict=True)]
              for k, run in enumerate(runs)]  # fmt: skip
    slots: dict[str, list[bool]] = defaultdict(list)
    for k, run in enumerate(right):
        for item, good in zip(items, run, strict=True):
            key = shifted(item, k).answer or ""
            if len(key) == 1:
                slots[key].append(good)
    n = len(items)
    return {
        "n": n, "shifts": len(runs),
        "mean_accuracy": 100 * sum(map(sum, right)) / (n * len(runs)),
        "right_in_all": 100 * sum(map(all, zip(*right, strict=True))) / n,
        "flip_rate": 100 * sum(len(set(said)) > 1 for said in zip(*chosen, strict=True)) / n,
        "accuracy_by_slot": {slot: 100 * sum(v) / len(v) for slot, v in sorted(slots.items())},
    }  # fmt: skip


def _texts(item: Item, letters: str | None) -> frozenset[str] | None:
    return frozenset(item.options.get(x, x) for x in letters) if letters else None
