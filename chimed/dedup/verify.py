"""Whether two texts are near duplicates, exactly: Jaccard of their 5-gram sets and edit similarity, both >= threshold.

`verify` finds the components of the graph of verified pairs among rows that share a band key. Inside a bucket the
search is breadth-first and leaves out pairs that are joined already, so that it is near-linear on clusters of copies;
the components are those of all pairs, whatever the order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import float64, int32, int64, types, uint8, uint32, uint64

from chimed.dedup.compiled import kernel, read, write
from chimed.dedup.edit import edit_within, slot_of
from chimed.dedup.sets import Sets, bits_for, distinct
from chimed.dedup.union import find, join_two, roots

_SLACK = 1e-9


_SETS = (read(uint32), read(int64, 2), read(uint32), read(int64, 2))


@kernel(int64(read(uint32), int64, read(uint32), read(int32), int64, int64))
def _common(probe, need, values, stamps, stamp, bits):  # type: ignore[no-untyped-def]
    """How many of `probe` are in the table of `bits`; stops (with less than `need`) when need is out of reach."""
    mask = (1 << bits) - 1
    common, spare = 0, probe.size - need
    for x in probe:
        slot = slot_of(x, bits)
        while stamps[slot] == stamp and values[slot] != x:
            slot = (slot + 1) & mask
        if stamps[slot] == stamp:
            common += 1
        else:
            spare -= 1
            if spare < 0:
                return common
    return common


@kernel(int64(read(uint8), read(uint8)))
def agreeing(a, b):  # type: ignore[no-untyped-def]
    """How many bytes of two sketches are equal."""
    same = 0
    for k in range(a.size):
        same += a[k] == b[k]
    return same


@kernel(
    types.void(
        read(int64), read(int64), read(uint8, 2), int64, read(types.boolean), write(int64)
    )
)  # fmt: skip
def link(members, starts, sketch, floor, released, parent):  # type: ignore[no-untyped-def]
    """Join members of each bucket (run of `members`) whose sketches agree in `floor` bytes: candidate components.

    `sketch` has one line per member, `released` and `parent` one entry per row.
    """
    widest = 0
    for r in range(starts.size - 1):
        widest = max(widest, starts[r + 1] - starts[r])
    todo, queue = np.empty(widest, np.int64), np.empty(widest, np.int64)
    for r in range(starts.size - 1):
        left = starts[r + 1] - starts[r]
        todo[:left] = np.arange(starts[r], starts[r + 1])
        while left > 1:
            queue[0] = todo[0]
            todo[0] = todo[left - 1]
            left -= 1
            head, tail = 0, 1
            while head < tail and left:
                u = queue[head]
                head += 1
                kept = 0
                for i in range(left):
                    v = todo[i]
                    a, b = members[u], members[v]
                    joined = find(parent, a) == find(parent, b)
                    if not joined and not (released[a] and released[b]) and agreeing(sketch[u], sketch[v]) >= floor:
                        join_two(parent, a, b)
                        joined = True
                    if joined:
                        queue[tail] = v
                        tail += 1
                    else:
                        todo[kept] = v
                        kept += 1
                left = kept


@kernel(inline=True)
def _is_new(keys, band, u, v):  # type: ignore[no-untyped-def]
    """Whether no earlier band brought u and v together: there the pair was tested, and failed."""
    shared = 0
    for j in range(band):
        shared += keys[u, j] == keys[v, j]
    return shared == 0


@kernel(float64(int64, int64, *_SETS, float64, write(uint32), write(int32), int64))
def _similar(u, v, points, points_at, shingles, shingles_at, threshold, values, stamps, stamp):  # type: ignore[no-untyped-def]
    """Exact Jaccard of u (whose set is in the table) and v where the pair passes both tests, else -1."""
    a, b = shingles_at[u, 1] - shingles_at[u, 0], shingles_at[v, 1] - shingles_at[v, 0]
    if min(a, b) < threshold * max(a, b) - _SLACK:
        return -1.0
    need = int64(np.ceil(threshold / (1 + threshold) * (a + b) - 1e-6))
    common = _common(shingles[shingles_at[v, 0] : shingles_at[v, 1]], need, values, stamps, stamp, bits_for(a))
    if common < threshold * (a + b - common) - _SLACK:
        return -1.0
    left, right = points[points_at[u, 0] : points_at[u, 1]], points[points_at[v, 0] : points_at[v, 1]]
    most = int64(np.floor((1 - threshold) * max(left.size, right.size) + _SLACK))
    return common / (a + b - common) if edit_within(left, right, most) else -1.0


@kernel(
    int64(
        read(int64), read(int64), read(uint64, 2), int64, *_SETS, read(uint8, 2), int64, float64, read(uint64),
        types.boolean,
        read(types.boolean), write(int64), write(int64, 2), write(float64), int64,
    )
)  # fmt: skip
def search(  # type: ignore[no-untyped-def]
    members, starts, keys, band, points, points_at, shingles, shingles_at, sketch, floor, threshold, numbers, across, released,
    parent, edges, similarity, found,
):  # fmt: skip
    """Verify the pairs of each bucket of a band breadth-first, join those that pass, and note them as edges from `found` on.

    With `across` only pairs of different numbers are tested, else only pairs of the same (buckets hold one then).
    """
    widest, largest = 0, 0
    for r in range(starts.size - 1):
        widest = max(widest, starts[r + 1] - starts[r])
    for i in range(shingles_at.shape[0]):
        largest = max(largest, shingles_at[i, 1] - shingles_at[i, 0])
    todo, queue = np.empty(widest, np.int64), np.empty(widest, np.int64)
    values, stamps = np.empty(1 << bits_for(largest), np.uint32), np.zeros(1 << bits_for(largest), np.int32)
    stamp, spare = 0, np.empty(largest, np.uint32)
    for r in range(starts.size - 1):
        left = starts[r + 1] - starts[r]
        todo[:left] = members[starts[r] : starts[r + 1]]
        while left > 1:
            queue[0] = todo[0]
            left -= 1
            todo[:left] = todo[1 : left + 1].copy()
            head, tail = 0, 1
            while head < tail and left:
                u, ready, kept = queue[head], False, 0
                head += 1
                for i in range(left):
                    v = todo[i]
                    joined = find(parent, u) == find(parent, v)
                    other = (numbers[u] != numbers[v]) == across and not (released[u] and released[v])
                    if not joined and other and agreeing(sketch[u], sketch[v]) >= floor and _is_new(keys, band, u, v):
                        if not ready:
                            stamp, ready = stamp + 1, True
                            distinct(shingles[shingles_at[u, 0] : shingles_at[u, 1]], spare, values, stamps, stamp)
                        score = _similar(
                            u, v, points, points_at, shingles, shingles_at, threshold, values, stamps, stamp
                        )
                        if score >= 0:
                            join_two(parent, u, v)
                            edges[found, 0], edges[found, 1], similarity[found] = u, v, score
                            found, joined = found + 1, True
                    if joined:
                        queue[tail] = v
                        tail += 1
                    else:
                        todo[kept] = v
                        kept += 1
                left = kept
    return found


class Graph(NamedTuple):
    """Verified pairs (rows u, v of the partition), their Jaccard, and the components: lowest row of each row's own.

    `strict`: pairs whose numbers agree too; `loose`: whatever the numbers.
    """

    edges: npt.NDArray[np.int64]
    similarity: npt.NDArray[np.float64]
    strict: npt.NDArray[np.int64]
    loose: npt.NDArray[np.int64]


def buckets(
    keys: npt.NDArray[np.uint64], within: npt.NDArray[np.uint64] | None = None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Places of equal keys (and equal `within`), in runs of two or more: the places, and where each run starts."""
    if keys.size < 2:
        return np.zeros(0, np.int64), np.zeros(1, np.int64)
    order = np.argsort(keys) if within is None else np.lexsort((within, keys))
    ordered = keys[order]
    same = ordered[1:] == ordered[:-1]
    del ordered, keys
    if within is not None:
        same &= within[order][1:] == within[order][:-1]
    inner = np.concatenate([[False], same])
    member = inner | np.concatenate([same, [False]])
    runs = np.cumsum(~inner)[member]
    # Equal keys come in no fixed order out of the sort; rows ascend within a run.
    order = order[member]
    order = order[np.lexsort((order, runs))]
    starts = np.flatnonzero(np.concatenate([[True], runs[1:] != runs[:-1], [True]])) if runs.size else np.zeros(1)
    return order.astype(np.int64), starts.astype(np.int64)


def verify(
    sets: Sets, keys: npt.NDArray[np.uint64], sketch: npt.NDArray[np.uint8], numbers: npt.NDArray[np.uint64],
    released: npt.NDArray[np.bool_], threshold: float, floor: int,
) -> Graph:  # fmt: skip
    """The verified graph of some rows in rank order; `keys` has one line per band, all else one entry per row."""
    n = sketch.shape[0]
    strict = np.arange(n, dtype=np.int64)
    edges, similarity = np.empty((2 * n, 2), np.int64), np.empty(2 * n, np.float64)
    by_row, found = np.ascontiguousarray(keys.T), 0
    for band in range(len(keys)):
        members, starts = buckets(keys[band], numbers)
        found = search(members, starts, by_row, band, *sets, sketch, floor, threshold, numbers, False, released, strict, edges,
                       similarity, found)  # fmt: skip
    loose, beyond = strict.copy(), found
    if n and (numbers != numbers[0]).any():
        for band in range(len(keys)):
            members, starts = buckets(keys[band])
            beyond = search(members, starts, by_row, band, *sets, sketch, floor, threshold, numbers, True, released, loose, edges,
                            similarity, beyond)  # fmt: skip
    return Graph(edges[:found], similarity[:found], roots(strict), roots(loose))
