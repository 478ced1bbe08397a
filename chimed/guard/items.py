"""An evaluation item as the guard sees it: parts (stem, options, answers) as folded symbols."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

STEM, OPTION, ANSWER = 0, 1, 2
SEPARATOR = "\ufdd0"
"""Stands between the texts of a record; no gram of an item holds it, so none reaches across."""

_BEYOND = 0x110000
_LONGEST = 4


class EvalItem(Protocol):
    """What the guard needs to know of an evaluation item."""

    @property
    def set(self) -> str:
        """Name of the evaluation set."""

    @property
    def id(self) -> str:
        """Unique in its set."""

    @property
    def kind(self) -> Literal["choice", "free"]:
        """Multiple choice, or a question with a free answer."""

    @property
    def stem(self) -> str:
        """The question."""

    @property
    def options(self) -> Sequence[tuple[str, str]]:
        """Pairs of letter and text."""

    @property
    def reference(self) -> str | None:
        """The reference answer or the explanation."""


def parts_of(item: EvalItem) -> Iterator[tuple[int, str]]:
    """The texts of an item that may leak, each with its role; the stem first."""
    yield STEM, item.stem
    for _, text in item.options:
        yield OPTION, text
    if item.reference:
        yield ANSWER, item.reference


def codes(text: str) -> NDArray[np.uint32]:
    """The code points of a text."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


@cache
def folding() -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    r"""Per code point its folded symbol: NFKC, casefold, then every `[\W_]` gone (0).

    A value beyond Unicode names a row of the second array, for the few that fold to several symbols (`㎎` to `mg`).
    """
    table = np.zeros(_BEYOND, np.uint32)
    table[0x20000:0x323B0] = np.arange(0x20000, 0x323B0)
    longer: list[list[int]] = []
    for code in [*range(0xD800), *range(0xE000, 0x20000), *range(0x2F800, 0x2FA20)]:
        table[code] = 0
        folded = unicodedata.normalize("NFKC", chr(code)).casefold()
        symbols = [ord(sign) for sign in folded if sign.isalnum()][:_LONGEST]
        if len(symbols) == 1:
            table[code] = symbols[0]
        elif symbols:
            table[code] = _BEYOND + len(longer)
            longer.append(symbols + [0] * (_LONGEST - len(symbols)))
    table[ord(SEPARATOR)] = 1
    return table, np.array(longer, np.uint32)
