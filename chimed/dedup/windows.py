"""Kernels of the substring search: minimizers of raw code points, windows whose minimizer was seen twice, equal windows.

Two equal windows of L characters contain the same minimizer (the rightmost smallest k-gram hash), at two positions; so
only windows whose minimizer was selected twice can repeat (after Schleimer et al. 2003).
"""

from __future__ import annotations

import numpy as np
from numba import int64, types, uint8, uint64

from chimed.compiled import kernel, read, write
from chimed.dedup.twice import note, noted_twice
from chimed.dedup.utf8 import character, longest

_FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F


@kernel(inline=True)
def _code_points(data, start, stop, points):  # type: ignore[no-untyped-def]
    """UTF-8 to code points; returns how many."""
    n, i = uint64(0), start
    while i < stop:
        points[n], i = character(data, i)
        n += uint64(1)
    return int64(n)


@kernel(inline=True)
def _power(base, exponent):  # type: ignore[no-untyped-def]
    x = uint64(1)
    for _ in range(exponent):
        x = uint64(x * uint64(base))
    return x


@kernel(inline=True)
def _mixed(x):  # type: ignore[no-untyped-def]
    x = uint64((x ^ (x >> uint64(32))) * uint64(0xD6E8FEB86659FD93))
    return uint64(x ^ (x >> uint64(29)))


@kernel(inline=True)
def _grams(points, n, k, power, grams):  # type: ignore[no-untyped-def]
    """Mixed rolling hashes of all k-grams."""
    x = uint64(0)
    for i in range(n):
        x = uint64(uint64(x * uint64(_FIRST)) + uint64(points[i]) + uint64(1))
        if i >= k:
            x = uint64(x - uint64(power * uint64(uint64(points[uint64(i - k)]) + uint64(1))))
        if i >= k - 1:
            grams[uint64(i - k + 1)] = _mixed(x)


@kernel(inline=True)
def _minimizer(grams, p, w, at):  # type: ignore[no-untyped-def]
    """Place of the rightmost smallest of the w hashes from p on, given that of the window before."""
    last = p + w - 1
    if at >= p:
        return last if grams[uint64(last)] <= grams[uint64(at)] else at
    at = p
    for i in range(p + 1, last + 1):
        if grams[uint64(i)] <= grams[uint64(at)]:
            at = i
    return at


@kernel(int64(read(uint8), read(int64), int64, int64, write(uint8), write(int64)))
def mark(data, offsets, length, k, seen, sizes):  # type: ignore[no-untyped-def]
    """First sweep over a batch: note every minimizer as seen once or twice; counts the characters of each text."""
    room = longest(offsets) + 1
    points, grams = np.empty(room, np.uint32), np.empty(room, np.uint64)
    power, w, marked = _power(_FIRST, k), length - k + 1, 0
    for row in range(sizes.size):
        n = _code_points(data, offsets[row], offsets[row + 1], points)
        sizes[row] = n
        if n < length:
            continue
        _grams(points, n, k, power, grams)
        at = -1
        for p in range(n - length + 1):
            now = _minimizer(grams, p, w, at)
            if now != at:
                at = now
                marked += 1
                note(seen, grams[at])
    return marked


@kernel(int64(read(uint8), read(int64), int64, int64, read(uint8), int64, write(uint64, 2), write(int64)))
def emit(data, offsets, length, k, seen, place, hashes, places):  # type: ignore[no-untyped-def]
    """Second sweep: two 64-bit hashes and the global place of each window whose minimizer was seen twice."""
    room = longest(offsets) + 1
    points, grams = np.empty(room, np.uint32), np.empty(room, np.uint64)
    power, w, m = _power(_FIRST, k), length - k + 1, uint64(0)
    whole, other = _power(_FIRST, length), _power(_SECOND, length)
    for row in range(offsets.size - 1):
        n = _code_points(data, offsets[row], offsets[row + 1], points)
        if n >= length:
            _grams(points, n, k, power, grams)
            at, x, y, wanted = -1, uint64(0), uint64(0), False
            for i in range(n):
                x = uint64(uint64(x * uint64(_FIRST)) + uint64(points[i]) + uint64(1))
                y = uint64(uint64(y * uint64(_SECOND)) + uint64(points[i]) + uint64(1))
                if i >= length:
                    out = uint64(uint64(points[uint64(i - length)]) + uint64(1))
                    x, y = uint64(x - uint64(whole * out)), uint64(y - uint64(other * out))
                p = i - length + 1
                if p < 0:
                    continue
                now = _minimizer(grams, p, w, at)
                if now != at:
                    at, wanted = now, noted_twice(seen, grams[now])
                if wanted:
                    hashes[0, m], hashes[1, m], places[m] = _mixed(x), y, place + p
                    m += uint64(1)
        place += n
    return int64(m)


@kernel(types.void(read(uint64, 2), read(int64), int64, write(uint64, 2), write(int64)))
def part(hashes, places, count, windows, starts):  # type: ignore[no-untyped-def]
    """The first `count` windows (two hashes, place) by some bits of their hash, in their order within a part.

    `starts` gets where each part begins, and the end of the last one.
    """
    parts, shift = uint64(starts.size - 1), uint64(40)
    starts[:] = 0
    for i in range(count):
        starts[(hashes[0, i] >> shift) % parts + uint64(1)] += 1
    for p in range(starts.size - 1):
        starts[p + 1] += starts[p]
    to = starts[:-1].copy()
    for i in range(count):
        p = (hashes[0, i] >> shift) % parts
        windows[to[p], 0], windows[to[p], 1], windows[to[p], 2] = hashes[0, i], hashes[1, i], uint64(places[i])
        to[p] += 1


@kernel(int64(read(uint64, 2), write(int64), write(int64, 2)))
def repeated(windows, table, pairs):  # type: ignore[no-untyped-def]
    """Pairs (place, first place) of equal windows, which come in the order of their places; returns how many.

    `table` has 2^k entries, all -1, more than there are windows. Equal are those in which both hashes are.
    """
    m, mask = uint64(0), uint64(table.size - 1)
    for i in range(windows.shape[0]):
        slot = windows[i, 0] & mask
        while table[slot] >= 0 and windows[uint64(table[slot]), 0] != windows[i, 0]:
            slot = (slot + uint64(1)) & mask
        first = table[slot]
        if first < 0:
            table[slot] = i
        elif windows[uint64(first), 1] == windows[i, 1]:
            pairs[m, 0], pairs[m, 1] = windows[i, 2], windows[uint64(first), 2]
            m += uint64(1)
    return int64(m)


@kernel(types.void(read(int64), write(uint8)))
def set_bits(places, bits):  # type: ignore[no-untyped-def]
    """Set one bit per place."""
    for p in places:
        bits[p >> 3] |= uint8(1 << (p & 7))


@kernel(int64(read(uint8), int64, int64, write(int64)))
def bits_between(bits, start, stop, out):  # type: ignore[no-untyped-def]
    """The places in [start, stop) whose bit is set, relative to start; returns how many."""
    n, p = 0, start
    while p < stop:
        if p & 7 == 0 and bits[p >> 3] == 0:
            p += 8
            continue
        if bits[p >> 3] >> (p & 7) & 1:
            out[n] = p - start
            n += 1
        p += 1
    return n
