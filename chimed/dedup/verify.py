"""The components of the graph of verified pairs among rows that share a band key.

Inside a bucket the search is breadth-first and leaves out pairs that are joined already, so that it is near-linear on
clusters of copies; the components are those of all pairs, whatever the order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import float64, int64, types, uint8, uint64

from chimed.compiled import kernel, read, write
from chimed.dedup.buckets import buckets
from chimed.dedup.pairs import SETS, TABLES, agreeing, similarity, tables_for
from chimed.dedup.sets import Sets
from chimed.dedup.union import find, join_two, roots

_ODD = np.uint64(0x9E3779B97F4A7C15)


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


@kernel(
    int64(
        read(int64), read(int64), read(uint64, 2), int64, SETS, read(uint8, 2), int64, float64, read(uint64),
        types.boolean, read(types.boolean), TABLES, write(int64), write(int64, 2), write(float64), int64,
    )
)  # fmt: skip
def search(  # type: ignore[no-untyped-def]
    members, starts, keys, band, sets, sketch, floor, threshold, numbers, across, released, tables, parent, edges, score,
    found,
):  # fmt: skip
    """Verify the pairs of each bucket of a band breadth-first, join those that pass, and note them as edges from `found` on.

    With `across` only pairs of different numbers are tested, else only pairs of the same.
    """
    widest = 0
    for r in range(starts.size - 1):
        widest = max(widest, starts[r + 1] - starts[r])
    todo, queue = np.empty(widest, np.int64), np.empty(widest, np.int64)
    for r in range(starts.size - 1):
        left = starts[r + 1] - starts[r]
        todo[:left] = members[starts[r] : starts[r + 1]]
        while left > 1:
            queue[0] = todo[0]
            left -= 1
            todo[:left] = todo[1 : left + 1].copy()
            head, tail = 0, 1
            while head < tail and left:
                u, kept = queue[head], 0
                head += 1
                for i in range(left):
                    v = todo[i]
                    joined = find(parent, u) == find(parent, v)
                    other = (numbers[u] != numbers[v]) == across and not (released[u] and released[v])
                    if not joined and other and agreeing(sketch[u], sketch[v]) >= floor and _is_new(keys, band, u, v):
                        score[found] = similarity(u, v, sets, threshold, tables)
                        if score[found] >= 0:
                            join_two(parent, u, v)
                            edges[found, 0], edges[found, 1] = u, v
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


def verify(
    sets: Sets, keys: npt.NDArray[np.uint64], sketch: npt.NDArray[np.uint8], numbers: npt.NDArray[np.uint64],
    released: npt.NDArray[np.bool_], threshold: float, floor: int,
) -> Graph:  # fmt: skip
    """The verified graph of some rows in rank order; `keys` has one line per band, all else one entry per row."""
    n = sketch.shape[0]
    strict = np.arange(n, dtype=np.int64)
    edges, similarity = np.empty((2 * n, 2), np.int64), np.empty(2 * n + 1, np.float64)
    tables = tables_for(int((sets.shingles_at[:, 1] - sets.shingles_at[:, 0]).max(initial=0)))
    by_row, found = np.ascontiguousarray(keys.T), 0
    apart = numbers * _ODD  # rows of different numbers come into different buckets
    for band in range(len(keys)):
        found = search(*buckets(keys[band] ^ apart), by_row, band, tuple(sets), sketch, floor, threshold, numbers, False, released,
                       tables, strict, edges, similarity, found)  # fmt: skip
    loose, beyond = strict.copy(), found
    if n and (numbers != numbers[0]).any():
        for band in range(len(keys)):
            beyond = search(*buckets(keys[band]), by_row, band, tuple(sets), sketch, floor, threshold, numbers, True, released,
                            tables, loose, edges, similarity, beyond)  # fmt: skip
    return Graph(edges[:found], similarity[:found], roots(strict), roots(loose))
