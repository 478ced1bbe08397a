"""A prompt, a better and a worse reply: the checks that all preference sources share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chimed.records import Preference
from chimed.source import Skip
from chimed.sources import turns
from chimed.sources.instructions import text_of


def preference(
    before: Iterable[turns.Turn], question: Any, chosen: Any, rejected: Any, repairs: Iterable[str] = (), **fields: Any
) -> Preference:
    """A Preference; `empty_question`, `empty_answer`, `equal_pair` (equal but for white space) are its losses."""
    asked = text_of(question, "empty_question", "the question")
    better = text_of(chosen, "empty_answer", "the better reply")
    worse = text_of(rejected, "empty_answer", "the worse reply")
    if "".join(better.split()) == "".join(worse.split()):
        raise Skip("equal_pair", "both replies are the same")
    mended = set(repairs)
    # the last reply is only there so that the turn rule sees a whole conversation
    prompt, more = turns.ruled([*before, ("user", asked), ("assistant", better)], mended)
    if worse.strip() != worse:
        more = tuple(sorted({*more, "stripped"}))
    return Preference.model_validate(
        {"prompt": prompt[:-1], "chosen": better.strip(), "rejected": worse.strip(), "repairs": more, **fields}
    )
