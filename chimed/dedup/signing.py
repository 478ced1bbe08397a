"""From UTF-8 to signatures, without Python strings: normalised code points, fingerprint, number key, MinHash.

The signature is `datasketch.MinHash(scheme="affine32", seed=1)` over the character 5-grams of the normalised copy, with
`shingle_hash` as its hash function: Σ ord(s[j])·C5[j] mod 2³², then MurmurHash3's fmix32, then min of a·h + b mod 2³².
All arithmetic wraps; in a kernel every intermediate is cast, because uint32 · uint32 would silently widen.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import int64, types, uint8, uint32, uint64

from chimed.compiled import kernel, read, write
from chimed.dedup.normalise import STARTS, tables
from chimed.dedup.numbers import sequence_of_marks
from chimed.dedup.utf8 import character, longest

SHINGLE = 5
C5 = (4165733203, 3671315251, 38696565, 904430693, 602822325)
SEED, SCHEME = 1, "affine32"
LANES = 32
PAD = 72


def shingle_hash(shingle: str) -> int:
    """The hash function of a shingle of the normalised copy: what a datasketch client passes as `hashfunc`."""
    return sum(ord(char) * factor for char, factor in zip(shingle, C5, strict=False)) % 2**32


def permutations(count: int) -> npt.NDArray[np.uint32]:
    """The a and b of `count` permutations (two rows), as datasketch draws them for seed 1."""
    draw = np.random.RandomState(SEED)
    a = draw.randint(0, 1 << 31, count, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return np.stack([a, draw.randint(0, 1 << 32, count, dtype=np.uint32)])


class Signed(NamedTuple):
    """What signing a batch gives: one row per text.

    `prints`: a 128-bit fingerprint of the normalised copy in two halves; `numbers`: a hash of the number sequence, 0
    without numbers; `shingles`: how many 5-grams (0: nothing is left after normalising); `signature`: MinHash values.
    """

    prints: npt.NDArray[np.uint64]
    numbers: npt.NDArray[np.uint64]
    shingles: npt.NDArray[np.uint32]
    signature: npt.NDArray[np.uint32]


@kernel(inline=True)
def _mix64(x):  # type: ignore[no-untyped-def]
    x = uint64((x ^ (x >> uint64(32))) * uint64(0xD6E8FEB86659FD93))
    x = uint64((x ^ (x >> uint64(32))) * uint64(0xD6E8FEB86659FD93))
    return uint64(x ^ (x >> uint64(32)))


@kernel(inline=True)
def _fmix32(x):  # type: ignore[no-untyped-def]
    x = uint32(uint32(x ^ uint32(x >> uint32(16))) * uint32(0x85EBCA6B))
    x = uint32(uint32(x ^ uint32(x >> uint32(13))) * uint32(0xC2B2AE35))
    return uint32(x ^ uint32(x >> uint32(16)))


@kernel(inline=True)
def decode(data, start, stop, table, points, at, marked, keyed):  # type: ignore[no-untyped-def]
    """UTF-8 bytes to normalised code points; if `keyed`, characters with a part in numbers go to `at` and `marked`.

    Returns how many points, how many marks, and the union of the table's entries.
    """
    n, m, place, seen, i = uint64(0), uint64(0), 0, uint32(0), start
    while i < stop:
        code, i = character(data, i)
        entry = table[code]
        points[n] = entry & uint32(0x1FFFFF)
        n += uint64((entry & uint32(0x1FFFFF)) != 0)
        seen |= entry
        if keyed:
            at[m] = place
            marked[m] = code
            m += uint64(entry >= uint32(1 << 24))
            place += 1
    return int64(n), int64(m), seen


@kernel(inline=True)
def _fingerprint(points, n, out):  # type: ignore[no-untyped-def]
    """Two interleaved multiply-xorshift lanes, so that neither waits for its own last product."""
    a, b = uint64(uint64(n) + uint64(0x9E3779B97F4A7C15)), uint64(uint64(n) ^ uint64(0xC2B2AE3D27D4EB4F))
    for i in range(0, n - 1, 2):
        a = uint64((a ^ uint64(points[uint64(i)])) * uint64(0xFF51AFD7ED558CCD))
        b = uint64((b ^ uint64(points[uint64(i + 1)])) * uint64(0xC4CEB9FE1A85EC53))
        a ^= a >> uint64(29)
        b ^= b >> uint64(31)
    if n & 1:
        a = uint64((a ^ uint64(points[n - 1])) * uint64(0xFF51AFD7ED558CCD))
        a ^= a >> uint64(29)
    out[0] = _mix64(uint64(a + _mix64(b)))
    out[1] = _mix64(uint64(b ^ uint64(_mix64(a) * uint64(0x9E3779B97F4A7C15))))


@kernel(inline=True)
def shingles_of(points, n, hashes):  # type: ignore[no-untyped-def]
    """Mixed hashes of the 5-grams, filled up with the last one to whole lanes; returns (5-grams, filled length)."""
    count = n - SHINGLE + 1
    if count < 1:
        x = uint32(0)
        for j in range(n):
            x = uint32(x + uint32(points[j] * uint32(C5[j])))
        hashes[0] = _fmix32(x)
        count = 1
    else:
        for i in range(count):
            x = uint32(uint32(points[i] * uint32(C5[0])) + uint32(points[i + 1] * uint32(C5[1])))
            x = uint32(x + uint32(points[i + 2] * uint32(C5[2])) + uint32(points[i + 3] * uint32(C5[3])))
            hashes[i] = _fmix32(uint32(x + uint32(points[i + 4] * uint32(C5[4]))))
    filled = (count + LANES - 1) // LANES * LANES
    for i in range(count, filled):
        hashes[i] = hashes[count - 1]
    return count, filled


@kernel(inline=True)
def _minima(hashes, filled, a, b, signature):  # type: ignore[no-untyped-def]
    """Four permutations per pass: one load of a hash serves four products."""
    for k in range(0, a.size, 4):
        a0, a1, a2, a3 = a[k], a[k + 1], a[k + 2], a[k + 3]
        b0, b1, b2, b3 = b[k], b[k + 1], b[k + 2], b[k + 3]
        m0 = m1 = m2 = m3 = uint32(0xFFFFFFFF)
        for i in range(filled):
            h = hashes[i]
            m0 = min(m0, uint32(uint32(h * a0) + b0))
            m1 = min(m1, uint32(uint32(h * a1) + b1))
            m2 = min(m2, uint32(uint32(h * a2) + b2))
            m3 = min(m3, uint32(uint32(h * a3) + b3))
        signature[k], signature[k + 1], signature[k + 2], signature[k + 3] = m0, m1, m2, m3


@kernel(inline=True)
def _number_key(at, marked, m, table, fold, chars, kinds, out):  # type: ignore[no-untyped-def]
    for k in range(m):
        chars[k] = fold[marked[k]]
        kinds[k] = table[marked[k]] >> uint32(24)
    n = sequence_of_marks(at, chars, kinds, m, out)
    x = uint64(n)
    for k in range(n):
        x = uint64((x ^ uint64(out[k])) * uint64(0xFF51AFD7ED558CCD))
        x ^= x >> uint64(29)
    return _mix64(x) | uint64(1) if n else uint64(0)


@kernel(
    types.void(
        read(uint8), read(types.int64), read(uint32), read(uint32), read(uint32, 2), types.boolean,
        write(uint64, 2), write(uint64), write(uint32), write(uint32, 2),
    )
)  # fmt: skip
def sign_kernel(data, offsets, table, fold, ab, keyed, prints, numbers, shingles, signature):  # type: ignore[no-untyped-def]
    """Sign every text of a batch; without permutations only fingerprints and, if `keyed`, number keys are made."""
    size = longest(offsets) + PAD
    points, hashes = np.empty(size, np.uint32), np.empty(size, np.uint32)
    at, marked = np.empty(size, np.int64), np.empty(size, np.uint32)
    chars, kinds, out = np.empty(size, np.uint32), np.empty(size, np.uint8), np.empty(3 * size, np.uint32)
    for row in range(shingles.size):
        begin, end = offsets[row], offsets[row + 1]
        if keyed:
            n, m, seen = decode(data, begin, end, table, points, at, marked, True)
        else:
            n, m, seen = decode(data, begin, end, table, points, at, marked, False)
        _fingerprint(points, n, prints[row])
        numbers[row] = 0
        if keyed and seen & STARTS:
            numbers[row] = _number_key(at, marked, m, table, fold, chars, kinds, out)
        count, filled = shingles_of(points, n, hashes)
        shingles[row] = count if n else 0
        _minima(hashes, filled, ab[0], ab[1], signature[row])


def buffers(texts: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """UTF-8 bytes and int64 offsets of a string array without nulls, whatever its layout; honours slices."""
    texts = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    if not pa.types.is_large_string(texts.type):
        texts = texts.cast(pa.large_string())
    texts = texts.fill_null("") if texts.null_count else texts
    _, ends, data = texts.buffers()
    if not len(texts) or data is None:
        return np.zeros(0, np.uint8), np.zeros(len(texts) + 1, np.int64)
    offsets = np.frombuffer(ends, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return np.frombuffer(data, np.uint8), offsets


def sign(texts: pa.Array, ab: npt.NDArray[np.uint32], numbers: bool = True) -> Signed:
    """Sign a batch of texts with the given permutations (`permutations(0)` for fingerprints alone).

    Without `numbers` their keys stay 0: who ignores numbers need not look for them.
    """
    data, offsets = buffers(texts)
    n = offsets.size - 1
    table = tables()
    signed = Signed(
        np.empty((n, 2), np.uint64),
        np.empty(n, np.uint64),
        np.empty(n, np.uint32),
        np.empty((n, ab.shape[1]), np.uint32),
    )
    sign_kernel(data, offsets, table.points, table.fold, ab, numbers, *signed)
    return signed
