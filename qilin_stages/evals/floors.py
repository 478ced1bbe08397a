"""Answers that need no model. A score means something only above these."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from qilin_stages.evals.significance import SEED
from qilin_stages.evals.task import Item

TEMPLATE = (
    "您好，根据您描述的情况，建议您先注意休息，饮食清淡，多喝温水，保持心情舒畅。"
    "如果症状没有缓解，请及时到正规医院就诊，祝您早日康复！"
)


def text_floors(items: Sequence[Item]) -> dict[str, list[str]]:
    """Another item's reference (seeded, never its own where there are two), the question copied, one fixed reply."""
    references = [item.reference or "" for item in items]
    order = list(range(len(items)))
    random.Random(SEED).shuffle(order)
    other = [""] * len(items)
    for place, index in enumerate(order):
        other[index] = references[order[(place + 1) % len(order)]]
    return {
        "random other answer": other,
        "question copied": [item.stem for item in items],
        "one fixed reply": [TEMPLATE] * len(items),
    }


def choice_floors(items: Sequence[Item]) -> dict[str, list[str]]:
    """The commonest key of the set itself, a random letter, a random set of letters, the longest option."""
    rng = random.Random(SEED)
    commonest = Counter(item.answer for item in items if item.answer).most_common()
    majority = min((a for a, n in commonest if n == commonest[0][1]), default="A") if commonest else "A"
    letters = [sorted(item.options) or ["A"] for item in items]
    return {
        "majority answer": [majority or "A"] * len(items),
        "random letter": [rng.choice(known) for known in letters],
        "random set": ["".join(x for x in known if rng.random() < 0.5) or rng.choice(known) for known in letters],
        "longest option": [
            max(known, key=lambda x, item=item: (len(item.options.get(x, "")), x))  # type: ignore[misc]
            for known, item in zip(letters, items, strict=True)
        ],
    }
