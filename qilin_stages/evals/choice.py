"""Scores of multiple choice: exact set match over all questions, weighted F1 of answer strings, answered rate."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from qilin_stages.evals.extract import extract
from qilin_stages.evals.letters import normalise

MISSING = "无答案"


@dataclass(frozen=True)
class Judged:
    """One judged generation: sorted letters or None, tier, and whether it equals the key."""

    extracted: str | None
    tier: str
    correct: bool
    raw: str | None = None


def canonical(answer: str) -> str:
    """Sorted letters without repetition, in half-width capitals ("DBA" -> "ABD")."""
    return "".join(sorted(set(re.findall(r"[A-Z]", normalise(answer).upper()))))


def judge(
    generation: str, options: dict[str, str], answer: str, *, protocol: str = "sound", cot: bool = False
) -> Judged:
    """Judge one generation; `paper` takes the released evaluator's rules, where strings are compared as they come."""
    if protocol.startswith("paper"):
        raw = released_answer(generation, options)
        letters = canonical(raw) if raw and set(raw) <= {k.upper() for k in options} else None
        return Judged(letters, "released" if raw else "none", bool(raw) and raw == answer, raw)
    found = extract(generation, options, cot=cot)
    key = canonical(answer)
    return Judged(found.letters, found.tier, bool(key) and found.letters == key)


def released_answer(generation: str, options: dict[str, str]) -> str | None:
    """The answer by Qilin-Med's evaluators/baichuan.py: 所以答案是X。, else the first capitals, else the one option."""
    declared = re.findall(r"所以答案是(.+?)。", generation)
    if declared and len(declared[-1]) == 1:
        return str(declared[-1])
    if capitals := re.search(r"[A-Z]+", generation):
        return capitals.group()
    named = [letter for letter, text in options.items() if text and text in generation]
    return named[0] if len(named) == 1 else None


def accuracy(correct: Sequence[bool]) -> float:
    """Share of right answers over all questions, x 100."""
    return 100 * sum(correct) / len(correct) if correct else 0.0


def weighted_f1(keys: Sequence[str], answers: Sequence[str | None]) -> float:
    """F1 per answer string ("ABD" is one class, no answer another), weighted by its support, x 100."""
    given = [a or MISSING for a in answers]
    support, said = Counter(keys), Counter(given)
    hits = Counter(k for k, a in zip(keys, given, strict=True) if k == a)
    total = sum(n * 2 * hits[k] / (n + said[k]) for k, n in support.items())
    return 100 * total / len(keys) if keys else 0.0


def confusion(keys: Sequence[str], answers: Sequence[str | None]) -> dict[str, dict[str, int]]:
    """Key -> answer -> count, for single-letter keys; no answer stands as 无答案, several letters as 多选."""
    table: dict[str, Counter[str]] = {}
    for key, answer in zip(keys, answers, strict=True):
        if len(key) == 1:
            said = answer or MISSING
            table.setdefault(key, Counter())[said if len(said) == 1 or said == MISSING else "多选"] += 1
    return {key: dict(sorted(row.items())) for key, row in sorted(table.items())}


def aggregate(keys: Sequence[str], judged: Sequence[Judged]) -> dict[str, float | int | dict[str, int]]:
    """All figures of a set: accuracy, weighted F1, answered rate, by number of right letters, tiers."""
    single = [j.correct for k, j in zip(keys, judged, strict=True) if len(k) == 1]
    several = [j.correct for k, j in zip(keys, judged, strict=True) if len(k) > 1]
    said = [j.raw or j.extracted for j in judged]
    return {
        "accuracy": accuracy([j.correct for j in judged]),
        "weighted_f1": weighted_f1(keys, said),
        "answered": 100 * sum(s is not None for s in said) / len(judged) if judged else 0.0,
        "n": len(judged),
        "accuracy_single": accuracy(single),
        "n_single": len(single),
        "accuracy_multiple": accuracy(several),
        "n_multiple": len(several),
        "tiers": dict(sorted(Counter(j.tier for j in judged).items())),
    }
