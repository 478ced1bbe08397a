"""Whether two texts are near duplicates, exactly: Jaccard of their 5-gram sets and edit similarity, both >= threshold.

Tests come in the order of their cost: sizes, a bound from a bitmap (no branches: most pairs end here), the exact Jaccard,
the edit distance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float64, int64, types, uint8, uint32, uint64

from chimed.compiled import kernel, read, write
from chimed.dedup.edit import edit_within, slot_of
from chimed.dedup.sets import bits_for, distinct, place

SLACK = 1e-9
SETS = types.Tuple((read(uint32), read(int64, 2), read(uint32), read(int64, 2)))
"""The fields of `sets.Sets`."""
TABLES = types.Tuple((write(uint64), write(uint64), write(uint32), write(int64)))
"""What `tables_for` gives: a bitmap, a hash table, room for one set, and whose sets the two hold."""


def tables_for(largest: int) -> tuple[Any, ...]:
    """Tables for the shingles of one text at a time, of at most `largest` ones."""
    slots = 1 << bits_for(largest)
    held = np.array([-1, -1, 0])
    return np.empty(slots // 8, np.uint64), np.zeros(slots, np.uint64), np.empty(largest, np.uint32), held


@kernel(int64(read(uint8), read(uint8)))
def agreeing(a, b):  # type: ignore[no-untyped-def]
    """How many bytes of two sketches are equal; counted in bytes, 128 at a time, so that 32 are compared at once."""
    same = 0
    for start in range(0, a.size, 128):
        here = uint8(0)
        for k in range(start, min(start + 128, a.size)):
            here = uint8(here + uint8(a[k] == b[k]))
        same += here
    return same


@kernel(inline=True)
def _map_bits(count):  # type: ignore[no-untyped-def]
    """Sixteen bits or more per shingle: one strange shingle in sixteen is taken for a common one."""
    return min(32, bits_for(count) + 3)


@kernel(types.void(read(uint32), write(uint64)))
def _map(shingles, bitmap):  # type: ignore[no-untyped-def]
    """Set a bit per shingle."""
    bits = _map_bits(shingles.size)
    bitmap[: 1 << (bits - 6)] = 0
    for x in shingles:
        slot = slot_of(x, bits)
        bitmap[slot >> 6] |= uint64(1) << uint64(slot & 63)


@kernel(int64(read(uint32), read(uint64), int64))
def _at_most_common(probe, bitmap, bits):  # type: ignore[no-untyped-def]
    """How many of `probe` have their bit set: never fewer than are in the set."""
    common = uint64(0)
    for x in probe:
        slot = slot_of(x, bits)
        common += (bitmap[slot >> 6] >> uint64(slot & 63)) & uint64(1)
    return int64(common)


@kernel(int64(read(uint32), read(uint64), int64, int64))
def _common(probe, table, stamp, bits):  # type: ignore[no-untyped-def]
    """How many of `probe` were put into the table of `bits` under this stamp."""
    common = 0
    for x in probe:
        _, known = place(x, table, stamp, bits)
        common += known
    return common


@kernel(float64(int64, int64, SETS, float64, TABLES))
def similarity(u, v, sets, threshold, tables):  # type: ignore[no-untyped-def]
    """Exact Jaccard of two rows where the pair passes both tests, else -1; u's tables are kept for its next pair."""
    points, points_at, shingles, shingles_at = sets
    bitmap, table, room, held = tables
    ours = shingles[shingles_at[u, 0] : shingles_at[u, 1]]
    theirs = shingles[shingles_at[v, 0] : shingles_at[v, 1]]
    a, b = ours.size, theirs.size
    if min(a, b) < threshold * max(a, b) - SLACK:
        return -1.0
    if held[0] != u:
        held[0] = u
        _map(ours, bitmap)
    common = _at_most_common(theirs, bitmap, _map_bits(a))
    if common < threshold * (a + b - common) - SLACK:
        return -1.0
    if held[1] != u:
        held[1], held[2] = u, held[2] + 1
        distinct(ours, room, table, held[2])
    common = _common(theirs, table, held[2], bits_for(a))
    if common < threshold * (a + b - common) - SLACK:
        return -1.0
    left, right = points[points_at[u, 0] : points_at[u, 1]], points[points_at[v, 0] : points_at[v, 1]]
    most = int64(np.floor((1 - threshold) * max(left.size, right.size) + SLACK))
    return common / (a + b - common) if edit_within(left, right, most) else -1.0
