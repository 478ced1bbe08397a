"""Texts with many near copies, and what a duplicate is, said as plainly as possible."""

import random
from collections.abc import Callable, Iterator
from functools import cache

import pyarrow as pa
from rapidfuzz.distance import Levenshtein

from chimed.dedup.normalise import normalised
from chimed.dedup.numbers import sequence

WORDS = "头痛发热咳嗽患者血压高低药物治疗检查腹胸闷气短心悸失眠乏力"
LETTERS = "头痛发热咳嗽三五天患者血压高低药物治疗检查疼腹胸闷气短心悸失眠乏力𠀀𠀁0123456789."


def corpus(count: int, seed: int, alphabet: str = LETTERS) -> list[str]:
    """Texts of 1 to 400 characters, a third of them edited, copied, reordered or cut from an earlier one."""
    draw = random.Random(seed)
    texts: list[str] = []
    for _ in range(count):
        text = "".join(draw.choices(alphabet, k=draw.choice([1, 3, 6, 30, 100, 400])))
        if texts and draw.random() < 0.6:
            letters = list(draw.choice(texts))
            for _ in range(draw.randint(0, 1 + len(letters) // 40)):
                letters[draw.randrange(len(letters))] = draw.choice([*alphabet, "，", ""]) or draw.choice(alphabet)
            text = (
                "".join(letters)
                if draw.random() < 0.8
                else "".join(letters[len(letters) // 2 :] + letters[: len(letters) // 2])
            )
        texts.append(text)
    return texts


def batches(texts: list[str], rows: int = 64) -> Callable[[], Iterator[pa.RecordBatch]]:
    table = pa.table({"id": [str(i) for i in range(len(texts))], "text": pa.array(texts, pa.large_string())})
    return lambda: iter(table.to_batches(max_chunksize=rows))


def jaccard(a: str, b: str) -> float:
    x, y = facts(a)[1], facts(b)[1]
    return len(x & y) / len(x | y)


@cache
def facts(text: str) -> tuple[str, frozenset[str], tuple[str, ...]]:
    copy = normalised(text)
    return copy, frozenset(copy[i : i + 5] for i in range(max(1, len(copy) - 4))), tuple(sequence(text))


def are_duplicates(a: str, b: str, threshold: float, numbers: str) -> bool:
    (x, _, first), (y, _, second) = facts(a), facts(b)
    if not x or not y or (numbers == "same" and first != second):
        return False
    most = int((1 - threshold) * max(len(x), len(y)) + 1e-9)
    return x == y or (jaccard(a, b) >= threshold - 1e-9 and Levenshtein.distance(x, y) <= most)
