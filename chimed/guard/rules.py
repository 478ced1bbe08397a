"""When a training record counts as holding an evaluation item.

Measured lengths are symbols of normalised text; coverage is the covered share of an item, the run its longest covered
stretch. A whole 13-gram in common means little in Chinese (polite phrases, textbook wording); coverage and run decide.

| item | contaminated if |
|---|---|
| multiple choice ≥ 26 | half of the stem; coverage of stem ⊕ options ≥ 0.5 and run ≥ 20, options in any order |
| multiple choice < 26 | the stem whole and an option within 200 symbols (a stem below 8: 0.8 of all, together) |
| multiple choice, record without options | the stem whole: 13 symbols, or 8 that ask something and stand alone |
| free question ≥ 26 | coverage ≥ 0.5 and run ≥ 20 |
| free question < 26 | whole (at least 4 symbols) |
| free answer or explanation ≥ 26 | coverage ≥ 0.8 and run ≥ 20 |

Options add to the run only where stem and options stand together, as in a question, not strewn over a chapter.
A record that asks the same stem with other options is another question: there the stem alone decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

LONG, RUN = 26, 20
TELLING, BRIEF = 13, 8
"""A whole stem of 13 symbols never stood in 11 M symbols of unrelated text; shorter ones did ("感光最敏锐处"): from 8
on they must ask something and stand by themselves between punctuation."""
HALF, MOST, WHOLE = 0.5, 0.8, 0.95
DENSE, SLACK = 1.3, 12


class Hit(NamedTuple):
    """How much of one evaluation item stands in a record: the covered share and the longest run in symbols."""

    set: str
    item: str
    coverage: float
    run: int
    kind: str
    contaminated: bool


class Measure(NamedTuple):
    """What was found of one item, in symbols (`near`: an option stands within 200 symbols of the stem)."""

    stem: int
    stem_covered: int
    stem_run: int
    options: int
    options_covered: int
    near: int
    answer: int
    answer_covered: int
    answer_run: int
    stretch: int
    bounded: int


def judge(choice: bool, found: Measure, options_listed: bool) -> tuple[float, int, str, bool]:
    """Coverage, run, which part of the item decided (`item`, `stem`, `question`, `answer`), contaminated or not."""
    asked = _choice(found, options_listed) if choice else _question(found)
    share = found.answer_covered / found.answer if found.answer else 0.0
    told = (share, found.answer_run, "answer", found.answer >= LONG and share >= MOST and found.answer_run >= RUN)
    return max(asked, told, key=lambda verdict: (verdict[3], verdict[0], verdict[1]))


def _choice(found: Measure, options_listed: bool) -> tuple[float, int, str, bool]:
    total = found.stem + found.options
    share = (found.stem_covered + found.options_covered) / max(1, total)
    whole = found.stem_covered >= WHOLE * found.stem
    dense = found.stretch <= DENSE * total + SLACK
    run = found.stem_run + (found.options_covered if whole and dense else 0)
    half = found.stem_covered >= HALF * found.stem
    if total >= LONG and half and share >= HALF and run >= RUN:
        return share, run, "item", True
    if total < LONG and whole and found.near and (found.stem >= BRIEF or (dense and share >= MOST)):
        return share, run, "item", True
    alone = whole and not options_listed and _telling(found)
    return share, run, "stem" if alone else "item", alone


def _telling(found: Measure) -> bool:
    return found.stem >= TELLING or (found.stem >= BRIEF and found.bounded == 1)


def _question(found: Measure) -> tuple[float, int, str, bool]:
    share = found.stem_covered / max(1, found.stem)
    if found.stem >= LONG:
        return share, found.stem_run, "question", share >= HALF and found.stem_run >= RUN
    return share, found.stem_run, "question", found.stem_covered == found.stem > 3


def worst(hits: Sequence[Hit]) -> list[Hit]:
    """Hits in a fixed order: contaminated first, then by coverage and run, then by name."""
    return sorted(hits, key=lambda hit: (not hit.contaminated, -hit.coverage, -hit.run, hit.set, hit.item))
