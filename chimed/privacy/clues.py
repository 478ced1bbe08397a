"""Clues: what a text must hold before a rule can match in it. One compiled pass finds the clues of all rules at once.

A clue is a set of single characters as they stand in the text, a set of pairs of neighbours (folded, without case), or
a number of digits in one run. Each has a bit; a rule is run where all its bits are set. Most texts have few.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from chimed.privacy.spans import FOLD

JOIN = "-—–―‐ \t()*xX"
"""What may stand between the digits of one number: blanks, dashes, brackets, and stars in the place of digits."""
BLANK = " \t"
_PLANE = 1 << 16


@dataclass(frozen=True)
class Digits:
    """So many digits in one run: of a number with its JOIN characters, or of a code of Latin letters and hyphens."""

    least: int
    coded: bool = False


Clue = frozenset[str] | Digits


def pairs(listed: str = "", *products: tuple[str, str]) -> frozenset[str]:
    """A clue: one of the listed pairs, or a first character before a second one of a product."""
    return frozenset(listed.split()) | {a + b for first, second in products for a in first for b in second}


class Bits:
    """The bit of every clue, and the tables that the compiled pass reads. Equal clues share a bit; there are 64."""

    def __init__(self, clues: Iterable[Clue]) -> None:
        """Number the clues in their order."""
        self.bit = {clue: 1 << i for i, clue in enumerate(dict.fromkeys(clues))}

    def need(self, clues: Iterable[Clue]) -> int:
        """The bits that must all be set."""
        return sum({self.bit[clue] for clue in clues})

    def of(self, text: str) -> int:
        """The bits of the clues in a text; characters beyond the basic plane are none."""
        return self._look(np.frombuffer(text.encode("utf-16-le", "surrogatepass"), np.uint16))

    @cached_property
    def _look(self) -> Callable[[Any], int]:
        from chimed.privacy.scan import gather  # numba: not before the first text

        ids = self._ids()
        symbols = _symbols(ids)
        characters, table = self._of_characters(symbols, len(ids) + 1)
        kinds = np.array([0, *map(_kind, ids)], np.uint8)
        joined, coded = self._of_runs(False), self._of_runs(True)
        return lambda codes: int(gather(codes, characters, symbols, table, kinds, joined, coded))

    def _ids(self) -> dict[str, int]:
        """A number for every character that counts in a pair or a run, from 1 on."""
        known = {*string.digits, *string.ascii_lowercase, *JOIN.lower()}
        for clue in self.bit:
            known.update(*(two for two in clue if len(two) == 2) if isinstance(clue, frozenset) else ())
        return {sign: number for number, sign in enumerate(sorted(known), 1)}

    def _of_characters(self, symbols: Any, count: int) -> tuple[Any, Any]:
        """The bits that a character gives, and those that a pair of symbols gives."""
        characters, table = np.zeros(_PLANE, np.uint64), np.zeros((count, count), np.uint64)
        for clue, bit in self.bit.items():
            for wanted in clue if isinstance(clue, frozenset) else ():
                codes = [ord(sign) for sign in wanted]
                if len(codes) == 1:
                    characters[codes[0]] |= np.uint64(bit)
                else:
                    table[symbols[codes[0]], symbols[codes[1]]] |= np.uint64(bit)
        return characters, table

    def _of_runs(self, coded: bool) -> Any:
        """The bits that so many digits in one run give."""
        from chimed.privacy.scan import MOST

        least = {bit: clue.least for clue, bit in self.bit.items() if isinstance(clue, Digits) and clue.coded == coded}
        return np.array([sum(bit for bit in least if least[bit] <= n) for n in range(MOST + 1)], np.uint64)


def _symbols(ids: dict[str, int]) -> Any:
    """The number of every character of the basic plane: wide forms and capitals share that of their plain form."""
    table = np.zeros(_PLANE, np.uint16)
    plain = {**{sign: sign for sign in (*ids, *string.ascii_uppercase)}, **FOLD}
    for sign, folded in plain.items():
        table[ord(sign)] = ids.get(folded.lower(), 0)
    return table


def _kind(sign: str) -> int:
    from chimed.privacy.scan import DIGIT, JOINS_CODE, JOINS_DIGITS

    if sign in string.digits:
        return DIGIT
    return JOINS_DIGITS * (sign in JOIN) | JOINS_CODE * (sign == "-" or sign in string.ascii_lowercase)
