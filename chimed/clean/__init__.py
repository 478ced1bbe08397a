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

from chimed.clean.controls import SIGNS as UNSEEN
from chimed.clean.controls import controls
from chimed.clean.escapes import SIGNS as BACKSLASH
from chimed.clean.escapes import escapes
from chimed.clean.markup import SIGNS as TAGGED
from chimed.clean.markup import markup
from chimed.clean.repeats import LEAST, count_sentences, repeated_sentences, strip_sentences
from chimed.clean.script import simplify, simplify_record
from chimed.clean.spaces import SIGNS as BLANKS
from chimed.clean.spaces import spaces, uneven
from chimed.clean.width import SIGNS as WIDE
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
# Without its signs a step does nothing, so one look for the signs of all steps tells which to run.
_SIGNS = {"controls": UNSEEN, "width": WIDE, "markup": TAGGED, "escapes": BACKSLASH, "spaces": BLANKS}
_STEP_OF = {sign: name for name, signs in _SIGNS.items() for sign in signs}
_ANY_SIGN = re.compile(f"[{re.escape(''.join(_STEP_OF))}]").findall
# In a record about program text, tags, entities and \n are the subject and not residue.
_PROGRAM_WORDS = (
    r"```|<!doctype|<(?:html|head|body|script|style|\?)|(?<![a-z])(?:html|xml|css|latex|markdown|json|sql|regex|python"
    r"|java|javascript|c\+\+|php|bash|linux|printf|console\.log)(?![a-z])|网页|前端|代码|编程|程序设计|正则|转义|换行符|标签"
)
# One class of first characters before the look at the words: only to such a class the re module skips at full speed.
_PROGRAM = re.compile(f"[`<HXCLMJSRPBhxclmjsrpbſ网前代编程正转换标](?<=(?=(?i:{_PROGRAM_WORDS})).)")
_WIDTHS = re.compile("[全半]角")
_RESIDUE = re.compile(r"[<&＜＆\\](?:(?<=\\)[nr]|(?<!\\)[/!#A-Za-z／！＃Ａ-Ｚａ-ｚ])")
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
    if any("角" in text and _WIDTHS.search(text) for text in texts):  # an exercise in converting them
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
    """Run the steps that the text has signs of, until none of them changes anything."""
    needed = _needed(text)
    for _ in range(_ROUNDS):
        before = text
        for name in chain:
            after = _CHARACTERS[name](text) if name in needed else text
            if after != text:
                touched.add(name)
                text = after
                needed = _after(name, text, needed)
        if text == before:
            break
    return text


def _needed(text: str) -> set[str]:
    """The steps that may change the text."""
    needed = {_STEP_OF[sign] for sign in set(_ANY_SIGN(text))}
    if "spaces" not in needed and uneven(text):
        needed.add("spaces")
    return needed


def _after(name: str, text: str, needed: set[str]) -> set[str]:
    """The same after a step changed the text: these two bring in and take out no signs but those looked for here."""
    if name == "spaces":
        return needed - {name} | ({name} if uneven(text) else set())
    if name == "width":
        return (
            needed - {name}
            | ({name} if "．" in text else set())
            | ({"markup"} if "<" in text or "&" in text else set())
        )
    return _needed(text)


def _about_programs(texts: Sequence[str]) -> bool:
    return any(_RESIDUE.search(text) for text in texts) and any(_PROGRAM.search(text) for text in texts)
