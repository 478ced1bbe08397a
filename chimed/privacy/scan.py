"""The inner loop of the search for clues, compiled: one pass over a text, whatever the number of rules."""

from __future__ import annotations

import numpy as np
from numba import uint8, uint16, uint64

from chimed.compiled import kernel, read

DIGIT, JOINS_DIGITS, JOINS_CODE = 1, 2, 4
MOST = 31
"""Digits are counted up to here."""


@kernel(uint64(read(uint16), read(uint64), read(uint16), read(uint64, 2), read(uint8), read(uint64), read(uint64)))
def gather(codes, characters, symbols, pairs, kinds, joined, coded):  # type: ignore[no-untyped-def]
    """The bits of all clues in a text: of its characters, its pairs of neighbours, and its longest runs of digits."""
    bits = np.uint64(0)
    before = digits = code_digits = most = most_coded = 0
    for code in codes:
        bits |= characters[code]
        symbol = symbols[code]
        bits |= pairs[before, symbol]
        before = symbol
        kind = kinds[symbol]
        if kind & DIGIT:
            digits += 1
            code_digits += 1
            most = max(most, digits)
            most_coded = max(most_coded, code_digits)
            continue
        if not kind & JOINS_DIGITS:
            digits = 0
        if not kind & JOINS_CODE:
            code_digits = 0
    return bits | joined[min(most, MOST)] | coded[min(most_coded, MOST)]
