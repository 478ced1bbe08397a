"""What a deduplication found: which rows stay, and for each lost row its twin, similarity and reason."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from numba import float64, int64, types

from chimed.compiled import kernel, read, write

KEPT, EXACT, NEAR = range(3)
REASONS = ("", "exact_duplicate", "near_duplicate")


@dataclass(frozen=True)
class Found:
    """One entry per row, in input order.

    `twin`: row of the text this one was verified against (it may be lost itself, its own twin leads on to a kept row),
    -1 for kept rows and for those whose twin is in the earlier release: `released` has its id; `similarity`: exact Jaccard of the normalised copies (1
    for equal ones, 0 for kept rows); `reason`: index into REASONS; `cluster`: lowest row of the component that the row
    belongs to whatever its numbers; `saved_by_numbers`: how many rows stay only because their numbers differ.
    """

    keep: npt.NDArray[np.bool_]
    twin: npt.NDArray[np.int64]
    similarity: npt.NDArray[np.float32]
    reason: npt.NDArray[np.uint8]
    cluster: npt.NDArray[np.int64]
    saved_by_numbers: int
    released: dict[int, str] = field(default_factory=dict)

    def lost(self) -> dict[str, int]:
        """Lost rows by reason, without those that did not occur."""
        counts = np.bincount(self.reason, minlength=len(REASONS))
        return {name: int(n) for name, n in zip(REASONS, counts, strict=True) if name and n}


@dataclass(frozen=True)
class Groups:
    """Rows with the same normalised copy: the lowest row with equal numbers (`strict`), and with any (`loose`)."""

    strict: npt.NDArray[np.int64]
    loose: npt.NDArray[np.int64]


def _lowest(order: npt.NDArray[np.int64], same: npt.NDArray[np.bool_], into: npt.NDArray[np.int64]) -> None:
    """Give every row of a run of equals the run's first row; `same[i]`: row i + 1 of the order equals row i."""
    first = np.concatenate([[True], ~same])
    into[order] = order[first][np.cumsum(first) - 1]


def exact_groups(
    prints: npt.NDArray[np.uint64], numbers: npt.NDArray[np.uint64], shingles: npt.NDArray[np.uint32]
) -> Groups:
    """Groups by fingerprint; a text of which nothing is left after normalising equals no other."""
    n = shingles.size
    loose = np.arange(n, dtype=np.int64)
    order = np.argsort(prints[:, 0], kind="stable")
    order = order[shingles[order] > 0]
    if order.size < 2:
        return Groups(loose.copy(), loose)
    half = prints[order, 0]
    same = half[1:] == half[:-1]
    half = prints[order, 1]
    same &= half[1:] == half[:-1]
    del half
    _lowest(order, same, loose)
    strict = np.arange(n, dtype=np.int64)
    member = np.concatenate([[False], same]) | np.concatenate([same, [False]])
    order = order[member]
    if order.size:
        order = order[np.lexsort((order, numbers[order], loose[order]))]
        same = (loose[order][1:] == loose[order][:-1]) & (numbers[order][1:] == numbers[order][:-1])
        _lowest(order, same, strict)
    return Groups(strict, loose)


@kernel(
    types.void(
        read(int64, 2), read(float64), read(types.boolean), write(int64), write(float64), write(types.boolean)
    )
)  # fmt: skip
def lead(edges, similarity, kept, twin, score, reached):  # type: ignore[no-untyped-def]
    """From the kept rows outwards along verified edges: each row's twin is the neighbour it was reached from."""
    n = kept.size
    degree = np.zeros(n + 1, np.int64)
    for e in range(edges.shape[0]):
        degree[edges[e, 0] + 1] += 1
        degree[edges[e, 1] + 1] += 1
    starts = np.cumsum(degree)
    fill, near = starts.copy(), np.empty(2 * edges.shape[0], np.int64)
    for e in range(edges.shape[0]):
        for side in range(2):
            node = edges[e, side]
            near[fill[node]] = e
            fill[node] += 1
    queue = np.empty(n, np.int64)
    tail = 0
    for i in range(n):
        if kept[i]:
            queue[tail] = i
            tail += 1
            reached[i] = True
    head = 0
    while head < tail:
        u = queue[head]
        head += 1
        for i in range(starts[u], starts[u + 1]):
            e = near[i]
            v = edges[e, 0] + edges[e, 1] - u
            if not reached[v]:
                reached[v], twin[v], score[v] = True, u, similarity[e]
                queue[tail] = v
                tail += 1
