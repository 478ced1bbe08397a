"""Levenshtein distance up to a bound: Myers's bit-parallel rows in blocks (Hyyrö), only the diagonals that count."""

from __future__ import annotations

import numpy as np
from numba import int64, types, uint32, uint64

from chimed.compiled import kernel, read

EDIT_LIMIT = 1 << 18
"""Beyond this many differing code points in a row the edit test is not made (hours of work); Jaccard decides alone."""


@kernel(inline=True)
def slot_of(value, bits):  # type: ignore[no-untyped-def]
    """Slot of a value in a table of 2^bits."""
    return int64(uint32(uint32(value) * uint32(2654435769)) >> uint32(32 - bits))


@kernel(inline=True)
def _masks(pattern, keys, masks):  # type: ignore[no-untyped-def]
    """Place of each character among up to 64, as bits, in a 256-slot table (key 0 is free: it is never a point)."""
    keys[:] = 0
    for i in range(pattern.size):
        slot = slot_of(pattern[i], 8)
        while keys[slot] != 0 and keys[slot] != pattern[i]:
            slot = (slot + 1) & 255
        if keys[slot] == 0:
            keys[slot], masks[slot] = pattern[i], uint64(0)
        masks[slot] |= uint64(1) << uint64(i)


@kernel(inline=True)
def _block(text, scores, rows, first, last, keys, masks):  # type: ignore[no-untyped-def]
    """Carry the scores of a row of the table (columns first..last) `rows` <= 64 rows down: Myers, blocks by Hyyrö."""
    one, top = uint64(1), uint64(1) << uint64(rows - 1)
    plus, minus = ~uint64(0), uint64(0)
    above, scores[first] = scores[first], scores[first] + rows
    for c in range(first + 1, last + 1):
        slot = slot_of(text[c - 1], 8)
        while keys[slot] != 0 and keys[slot] != text[c - 1]:
            slot = (slot + 1) & 255
        equal = masks[slot] if keys[slot] != 0 else uint64(0)
        step = scores[c] - above
        above = scores[c]
        vertical = equal | minus
        if step < 0:
            equal |= one
        across = (((equal & plus) + plus) ^ plus) | equal
        up, down = minus | ~(across | plus), plus & across
        scores[c] = scores[c - 1] + (1 if up & top else 0) - (1 if down & top else 0)
        up, down = up << one, down << one
        if step < 0:
            down |= one
        elif step > 0:
            up |= one
        plus, minus = down | ~(vertical | up), up & vertical


@kernel(types.boolean(read(uint32), read(uint32), int64))
def _banded(a, b, most):  # type: ignore[no-untyped-def]
    """Whether the distance of a and b (at least as long) is at most `most`: only the diagonals that it can reach."""
    m, n = a.size, b.size
    scores = np.empty(n + 1, np.int64)
    keys, masks = np.zeros(256, np.uint32), np.empty(256, np.uint64)
    known = min(n, most + 64)
    for c in range(known + 1):
        scores[c] = c
    for i in range(0, m, 64):
        rows = min(64, m - i)
        first, last = max(0, i - most), min(n, i + rows + most)
        for c in range(known + 1, last + 1):
            scores[c] = scores[c - 1] + 1
        known = last
        _masks(a[i : i + rows], keys, masks)
        _block(b, scores, rows, first, last, keys, masks)
        least = scores[first] + abs((n - first) - (m - i - rows))
        for c in range(first + 1, last + 1):
            least = min(least, scores[c] + abs((n - c) - (m - i - rows)))
        if least > most:
            return False
    return scores[n] <= most


@kernel(types.boolean(read(uint32), read(uint32), int64))
def edit_within(a, b, most):  # type: ignore[no-untyped-def]
    """Whether the Levenshtein distance of two arrays of code points (none 0) is at most `most`."""
    if a.size > b.size:
        a, b = b, a
    if b.size - a.size > most:
        return False
    start, end = 0, 0
    while start < a.size and a[start] == b[start]:
        start += 1
    while end < a.size - start and a[a.size - 1 - end] == b[b.size - 1 - end]:
        end += 1
    a, b = a[start : a.size - end], b[start : b.size - end]
    m, n = a.size, b.size
    if n <= most or m == 0:
        return n <= most
    if n > EDIT_LIMIT:
        return True
    # Most copies differ in little: a narrow band says so at a fraction of the cost.
    bound = max(16, most // 8)
    while bound < most:
        if n - m <= bound and _banded(a, b, bound):
            return True
        bound *= 4
    return _banded(a, b, most)
