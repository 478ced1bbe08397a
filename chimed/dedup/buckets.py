"""Runs of equal keys without sorting: rows that share a band key."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import int64, types, uint8, uint64

from chimed.compiled import kernel, read, write
from chimed.dedup.twice import note, noted_twice

_SLOTS = 16
"""Slots of the filter per key: one unique key in sixteen passes it."""


@kernel(int64(read(uint64), write(uint8), write(int64)))
def _shared(keys, table, places):  # type: ignore[no-untyped-def]
    """Places of keys that may occur twice; returns how many."""
    for key in keys:
        note(table, key)
    n = uint64(0)
    for i in range(keys.size):
        places[n] = i
        n += uint64(noted_twice(table, keys[i]))
    return int64(n)


@kernel(types.UniTuple(int64, 2)(read(uint64), read(int64), write(int64), write(int64), write(int64), write(int64)))
def _grouped(keys, places, table, group, members, starts):  # type: ignore[no-untyped-def]
    """Members of groups of two or more, in the order of their first; returns how many members and how many groups."""
    mask = uint64(table.size - 1)
    sizes, first = np.zeros(places.size, np.int64), np.empty(places.size, np.int64)
    groups = 0
    for i in range(places.size):
        key = keys[places[i]]
        slot = key & mask
        while table[slot] >= 0 and keys[first[table[slot]]] != key:
            slot = (slot + uint64(1)) & mask
        if table[slot] < 0:
            table[slot], first[groups] = groups, places[i]
            groups += 1
        group[i] = table[slot]
        sizes[group[i]] += 1
    n = runs = 0
    for g in range(groups):
        at, sizes[g] = sizes[g], -1
        if at > 1:
            starts[runs], sizes[g] = n, n
            n += at
            runs += 1
    starts[runs] = n
    for i in range(places.size):
        at = sizes[group[i]]
        if at >= 0:
            members[at] = places[i]
            sizes[group[i]] += 1
    return n, runs


def buckets(keys: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Places of keys that occur at least twice, ascending within a run of equals, and where each run starts.

    Runs come in the order of their first places, so that they are the same whatever else is among the keys.
    """
    size = max(4, 1 << (_SLOTS * keys.size // 4).bit_length())
    places = np.empty(keys.size + 1, np.int64)
    places = places[: _shared(keys, np.zeros(size, np.uint8), places)]
    table = np.full(1 << (2 * places.size + 1).bit_length(), -1, np.int64)
    members, starts = np.empty(places.size, np.int64), np.empty(places.size // 2 + 1, np.int64)
    n, runs = _grouped(keys, places, table, np.empty(places.size, np.int64), members, starts)
    return members[:n], starts[: runs + 1]
