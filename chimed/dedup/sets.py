"""What verification compares: normalised code points and the set of 5-grams of some texts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import int64, types, uint8, uint32, uint64

from chimed.compiled import kernel, read, write
from chimed.dedup.edit import slot_of
from chimed.dedup.normalise import tables
from chimed.dedup.signing import PAD, buffers, decode, shingles_of
from chimed.dedup.utf8 import longest


class Sets(NamedTuple):
    """Normalised code points and distinct 5-gram hashes of some rows; row i is [at[i, 0], at[i, 1])."""

    points: npt.NDArray[np.uint32]
    points_at: npt.NDArray[np.int64]
    shingles: npt.NDArray[np.uint32]
    shingles_at: npt.NDArray[np.int64]


@kernel(inline=True)
def bits_for(count):  # type: ignore[no-untyped-def]
    """Bits of a table at most half full of `count` values."""
    bits = 4
    while (1 << bits) < 2 * count:
        bits += 1
    return bits


@kernel(inline=True)
def place(x, table, stamp, bits):  # type: ignore[no-untyped-def]
    """Slot of a 5-gram hash in a table of 2^bits, and whether it is there.

    An entry is stamp << 32 | hash; those of another stamp count as empty, so that a new stamp clears the table.
    """
    wanted, slot = uint64(uint64(stamp) << uint64(32) | uint64(x)), slot_of(x, bits)
    while table[slot] != wanted and table[slot] >> uint64(32) == uint64(stamp):
        slot = (slot + 1) & ((1 << bits) - 1)
    return slot, table[slot] == wanted


@kernel(int64(read(uint32), write(uint32), write(uint64), int64))
def distinct(hashes, out, table, stamp):  # type: ignore[no-untyped-def]
    """Copy the distinct hashes in order of appearance; returns how many. The table holds them under `stamp` (above 0)."""
    bits, n = bits_for(hashes.size), 0
    for x in hashes:
        slot, known = place(x, table, stamp, bits)
        if not known:
            table[slot] = uint64(uint64(stamp) << uint64(32) | uint64(x))
            out[n] = x
            n += 1
    return n


@kernel(
    types.UniTuple(types.int64, 2)(
        read(uint8), read(types.int64), read(uint32), write(uint32), write(types.int64, 2), write(uint32),
        write(types.int64, 2),
    )
)  # fmt: skip
def sets_kernel(data, offsets, table, points, points_at, shingles, shingles_at):  # type: ignore[no-untyped-def]
    """Normalised code points and distinct 5-grams of every text, end to end; returns both lengths."""
    size = longest(offsets) + PAD
    held, hashes = np.empty(size, np.uint32), np.empty(size, np.uint32)
    at, marked = np.empty(0, np.int64), np.empty(0, np.uint32)
    known = np.zeros(1 << bits_for(size), np.uint64)
    p = s = 0
    for row in range(offsets.size - 1):
        n, _, _ = decode(data, offsets[row], offsets[row + 1], table, held, at, marked, False)
        points[p : p + n] = held[:n]
        count, _ = shingles_of(held, n, hashes)
        points_at[row, 0], points_at[row, 1], shingles_at[row, 0] = p, p + n, s
        p += n
        s += distinct(hashes[:count], shingles[s:], known, row + 1)
        shingles_at[row, 1] = s
    return p, s


def sets_of(texts: pa.Array) -> Sets:
    """Normalised code points and distinct 5-grams of a batch of texts."""
    data, offsets = buffers(texts)
    size, n = int(offsets[-1] - offsets[0]) + offsets.size, offsets.size - 1
    points, shingles = np.empty(size, np.uint32), np.empty(size, np.uint32)
    points_at, shingles_at = np.empty((n, 2), np.int64), np.empty((n, 2), np.int64)
    p, s = sets_kernel(data, offsets, tables().points, points, points_at, shingles, shingles_at)
    return Sets(points[:p], points_at, shingles[:s], shingles_at)
