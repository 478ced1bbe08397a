"""Named cleaning steps, each `str -> str` with a version; digits, units, comparators and drug names stay as they came.

`clean` takes the texts of one record, because whether a short message is Traditional Chinese is decided by its
neighbours. The steps on characters are repeated until none of them changes anything: cleaning twice is cleaning once.
What a number may suffer is fixed: full-width forms become ASCII, character for character, and nothing else.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from chimed.clean.controls import controls
from chimed.clean.escapes import escapes
from chimed.clean.markup import markup
from chimed.clean.repeats import LEAST, count_sentences, repeated_sentences, strip_sentences
from chimed.clean.script import simplify, simplify_record
from chimed.clean.spaces import spaces
from chimed.clean.width import width

__all__ = [
    "DEFAULT", "STEPS", "Cleaned", "boilerplate", "clean", "count_sentences", "repeated_sentences", "step",
]  # fmt: skip

STEPS: dict[str, str] = {
    "controls": "1", "width": "1", "markup": "1", "escapes": "1", "spaces": "1", "script": "1", "boilerplate": "1",
}  # fmt: skip
"""Every step and its version, in the order in which they run. A version changes when the output of the step does."""

DEFAULT: tuple[str, ...] = tuple(STEPS)

_CHARACTERS: dict[str, Callable[[str], str]] = {
    "controls": controls, "width": width, "markup": markup, "escapes": escapes, "spaces": spaces,
}  # fmt: skip
# In a record about program text, tags, entities and \n are the subject and not residue.
_PROGRAM = re.compile(
    r"```|<!doctype|<(?:html|head|body|script|style|\?)|(?<![a-z])(?:html|xml|css|latex|markdown|json|sql|regex|python"
    r"|java|javascript|c\+\+|php|bash|linux|printf|console\.log)(?![a-z])|网页|前端|代码|编程|程序设计|正则|转义|换行符|标签",
    re.IGNORECASE,
)
_WIDTHS = re.compile("[全半]角")
_RESIDUE = re.compile(r"[<&＜＆][/!#A-Za-z／！＃Ａ-Ｚａ-ｚ]|\\[nr]")
_ROUNDS = 8


class Cleaned(NamedTuple):
    """The texts of one record after cleaning, and the names of the steps that changed any of them, in running order."""

    texts: list[str]
    touched: tuple[str, ...]


def step(name: str) -> Callable[[str], str]:
    """One step as a function of a single text; `script` and `boilerplate` then act as on a record of one text."""
    return simplify if name == "script" else _CHARACTERS[name]


def clean(
    texts: Sequence[str],
    roles: Sequence[str],
    *,
    pair: bool = False,
    boilerplate: frozenset[str] = frozenset(),
    steps: Sequence[str] = DEFAULT,
) -> Cleaned:
    """Clean the texts of one record.

    `roles` names who speaks in each text (`user`, `assistant`, `system`; anything else is running text). With `pair`
    the last two texts are the chosen and the rejected answer and end in one script. `boilerplate` holds the sentences
    that `boilerplate` of this module found in the record's source. A text may become empty; the caller drops the row.
    """
    touched: set[str] = set()
    chain = [name for name in _CHARACTERS if name in steps]
    if _about_programs(texts):
        chain = [name for name in chain if name not in {"markup", "escapes"}]
    if any(_WIDTHS.search(text) for text in texts):  # an exercise in converting them
        chain = [name for name in chain if name != "width"]
    out = [_settle(text, chain, touched) for text in texts]
    if "script" in steps:
        out = _changed("script", out, simplify_record(out, roles, pair=pair), touched)
    if "boilerplate" in steps and boilerplate:
        out = _changed("boilerplate", out, [strip_sentences(text, boilerplate) for text in out], touched)
    return Cleaned(out, tuple(name for name in STEPS if name in touched))


def boilerplate(batches: Iterable[Iterable[str]], least: int = LEAST) -> frozenset[str]:
    """Sentences about the service that open or close at least `least` texts of a source, cleaned as `clean` does.

    The order of texts and batches does not matter. The caller puts the list into the manifest and gives it to `clean`.
    """
    counter: Counter[str] = Counter()
    for batch in batches:
        count_sentences((_settle(text, list(_CHARACTERS), set()) for text in batch), counter)
    return repeated_sentences(counter, least)


def _changed(name: str, old: list[str], new: list[str], touched: set[str]) -> list[str]:
    if new != old:
        touched.add(name)
    return new


def _settle(text: str, chain: list[str], touched: set[str]) -> str:
    for _ in range(_ROUNDS):
        before = text
        for name in chain:
            after = _CHARACTERS[name](text)
            if after != text:
                touched.add(name)
                text = after
        if text == before:
            break
    return text


def _about_programs(texts: Sequence[str]) -> bool:
    return any(_RESIDUE.search(text) for text in texts) and any(_PROGRAM.search(text) for text in texts)
