"""The sequence of numbers of a text: values with their decimal points, units, signs and comparators.

Two texts whose sequences differ are not duplicates, however alike: 0.5 mg is not 5 mg, 一日三次 not 一日两次, ≥ 5 not
≤ 5. The sequence is taken from the text as it is published. Where in doubt it differs, and both texts stay.

Every number is one token: [words and signs before it] value [unit] [words after it]. A value is digits with a decimal
point (thousands commas fall away), or Chinese numerals (in a run of two, beside a unit, or after 第, 之 …), or another
numeric character (½, Ⅲ, ①). Comparators (≥ ± < …) are tokens wherever they stand beside a number.
"""

from __future__ import annotations

import numpy as np
from numba import types

from chimed.compiled import kernel, read, write
from chimed.dedup.characters import COMPARE, DIGIT, NUMERAL, OTHER, ROMAN, SIGN, SPACE, UNIT, VALUE, WORD
from chimed.dedup.normalise import tables

VERSION = 1
"""Of the rule below and of the classes: keys of two versions are never compared."""

_POINT, _COMMA, _MINUS, _PLUS, _EQUAL, _LESS, _MORE = (ord(c) for c in ".,-+=<>")
_I, _V, _X = ROMAN
_CJK = 0x2E80
_LOOK_BACK = 8

# A mark is a character of the text that has a class: its place `at`, its canonical character and its class bits.
_MARKS = (read(types.int64), read(types.uint32), read(types.uint8), types.int64)


@kernel(inline=True)
def _linked(at, k, m):  # type: ignore[no-untyped-def]
    """Whether mark k exists and stands directly after mark k - 1."""
    return k < m and at[k - 1] + 1 == at[k]


@kernel(inline=True)
def _roman(at, chars, kinds, i, m):  # type: ignore[no-untyped-def]
    """End of a Roman numeral of Latin letters that stands before a Chinese unit (II期), else i."""
    j = i
    while (chars[j] == _I or chars[j] == _V or chars[j] == _X) and _linked(at, j + 1, m):
        j += 1
    alone = i == 0 or at[i - 1] + 1 != at[i] or kinds[i - 1] != UNIT or chars[i - 1] > _CJK
    return j if j > i and alone and kinds[j] == UNIT and chars[j] > _CJK else i


@kernel(inline=True)
def _numerals(at, chars, kinds, i, m):  # type: ignore[no-untyped-def]
    """End of a run of Chinese numerals that counts something, else i."""
    j = i + 1
    while _linked(at, j, m) and kinds[j] == NUMERAL:
        j += 1
    before = (
        i > 0 and at[i - 1] + 1 == at[i] and (kinds[i - 1] == WORD or (kinds[i - 1] == UNIT and chars[i - 1] > _CJK))
    )
    after = _linked(at, j, m) and kinds[j] == UNIT and chars[j] > _CJK
    return j if before or after or j - i > 1 else i


@kernel(inline=True)
def _thousands(at, kinds, j, m, group):  # type: ignore[no-untyped-def]
    """Whether the comma at j parts thousands: one to three digits before it, exactly three after it."""
    k = j + 1
    while _linked(at, k, m) and kinds[k] == DIGIT:
        k += 1
    return 0 < group <= 3 and k - j == 4


@kernel(inline=True)
def _digits(at, chars, kinds, i, m, out, n):  # type: ignore[no-untyped-def]
    """Copy a value in digits; returns where it ends and the new length of `out`."""
    j, group, fraction = i, 0, False
    while j < m and (j == i or at[j - 1] + 1 == at[j]):
        inside = _linked(at, j + 1, m) and kinds[j + 1] == DIGIT
        if kinds[j] == DIGIT or (kinds[j] == NUMERAL and j > i):
            out[n] = chars[j]
            n += 1
            group += 1
        elif chars[j] == _POINT and inside and not fraction:
            out[n] = chars[j]
            n += 1
            fraction = True
        elif chars[j] == _COMMA and not fraction and _thousands(at, kinds, j, m, group):
            group = 0
        else:
            break
        j += 1
    return j, n


@kernel(inline=True)
def _signs(at, chars, kinds, i, floor, out, n):  # type: ignore[no-untyped-def]
    """Copy the words and signs before the value at i; a sign between two numbers counts whatever it is."""
    start = i
    while start > floor and i - start < _LOOK_BACK and at[start - 1] + 1 == at[start]:
        if not kinds[start - 1] & (SIGN | WORD | SPACE):
            break
        start -= 1
    between = start == floor and floor > 0 and at[floor - 1] + 1 == at[floor]
    for k in range(start, i):
        own = chars[k] == _MINUS or chars[k] == _PLUS or (chars[k] == _POINT and k == i - 1)
        if kinds[k] == WORD or (kinds[k] == SIGN and (own or (between and chars[k] != _COMMA))):
            out[n] = chars[k]
            n += 1
    return n


@kernel(inline=True)
def _unit(at, chars, kinds, j, m, out, n):  # type: ignore[no-untyped-def]
    """Copy the unit after a value (a space may stand between) and the words after it (以上, 左右)."""
    k = j
    while _linked(at, k, m) and kinds[k] == SPACE and k - j < 2:
        k += 1
    if _linked(at, k, m) and kinds[k] == UNIT:
        while _linked(at, k, m) and kinds[k] == UNIT:
            out[n] = chars[k]
            n += 1
            k += 1
        j = k
    while _linked(at, j, m) and kinds[j] == WORD:
        out[n] = chars[j]
        n += 1
        j += 1
    return j, n


@kernel(inline=True)
def _compares(at, chars, kinds, i, m, floor):  # type: ignore[no-untyped-def]
    """Whether the comparator at i belongs to a number: < and > only beside one (they also make up markup)."""
    if chars[i] != _LESS and chars[i] != _MORE:
        return True
    k = i + 1
    while _linked(at, k, m) and kinds[k] == SPACE:
        k += 1
    right = _linked(at, k, m) and (kinds[k] & VALUE or chars[k] == _EQUAL or chars[k] == _POINT)
    return right or (i == floor and floor > 0 and at[i - 1] + 1 == at[i])


@kernel(types.int64(*_MARKS, write(types.uint32)))
def sequence_of_marks(at, chars, kinds, m, out):  # type: ignore[no-untyped-def]
    """Write the sequence (tokens end with 0) of m marks into `out` (3 m + 16 long); returns its length."""
    n, i, floor = 0, 0, 0
    while i < m:
        kind, end = kinds[i], i
        if kind in (DIGIT, OTHER):
            end = i + 1
        elif kind == NUMERAL:
            end = _numerals(at, chars, kinds, i, m)
        elif kind == UNIT:
            end = _roman(at, chars, kinds, i, m)
        elif kind == COMPARE and _compares(at, chars, kinds, i, m, floor):
            out[n] = chars[i]
            n += 1
            if _linked(at, i + 1, m) and chars[i + 1] == _EQUAL:
                out[n] = _EQUAL
                n += 1
            out[n] = 0
            n += 1
        if end == i:
            i += 1
            continue
        n = _signs(at, chars, kinds, i, floor, out, n)
        if kind == DIGIT:
            end, n = _digits(at, chars, kinds, i, m, out, n)
        else:
            for k in range(i, end):
                out[n] = chars[k]
                n += 1
        i, n = _unit(at, chars, kinds, end, m, out, n)
        out[n] = 0
        n += 1
        floor = i
    return n


def sequence(text: str) -> list[str]:
    """The numbers of a text as they are compared, one string each."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    table = tables()
    kinds = (table.points[points] >> np.uint32(24)).astype(np.uint8)
    at = np.flatnonzero(kinds).astype(np.int64)
    out = np.empty(3 * at.size + 16, np.uint32)
    n = sequence_of_marks(at, table.fold[points[at]], kinds[at], at.size, out)
    return out[:n].tobytes().decode("utf-32-le", "surrogatepass").split("\0")[:-1]
