"""What occurs at least twice, approximately and in little memory: a table of two bits per slot, for 64-bit hashes.

A slot holds 0, 1 or 2 (two or more); hashes that share a slot only let more through, none that occurs twice is missed.
"""

from __future__ import annotations

from numba import types, uint8, uint64

from chimed.compiled import kernel, read, write


@kernel(inline=True)
def note(table, value):  # type: ignore[no-untyped-def]
    """Count a hash in a table of 2^k bytes (four slots in each)."""
    slot = value & uint64(4 * table.size - 1)
    shift = uint8((slot & uint64(3)) << uint64(1))
    if (table[slot >> uint64(2)] >> shift) & 3 < 2:
        table[slot >> uint64(2)] += uint8(1) << shift


@kernel(inline=True)
def noted_twice(table, value):  # type: ignore[no-untyped-def]
    """Whether a hash may have been counted twice."""
    slot = value & uint64(4 * table.size - 1)
    return (table[slot >> uint64(2)] >> uint8((slot & uint64(3)) << uint64(1))) & 3 == 2


@kernel(types.void(write(uint8), read(uint8)))
def merge(table, other):  # type: ignore[no-untyped-def]
    """Add to a table what another one of its size has counted."""
    for i in range(table.size):
        merged = uint8(0)
        for shift in (0, 2, 4, 6):
            both = ((table[i] >> uint8(shift)) & 3) + ((other[i] >> uint8(shift)) & 3)
            merged |= uint8(min(both, 2) << shift)
        table[i] = merged
