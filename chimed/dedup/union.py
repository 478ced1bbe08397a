"""Union-find over numbered nodes; the root of a component is its lowest node."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import int64, types

from chimed.compiled import kernel, read, write


@kernel(inline=True)
def find(parent, x):  # type: ignore[no-untyped-def]
    """Root of a node; halves the path to it."""
    while parent[x] != x:
        parent[x] = parent[parent[x]]
        x = parent[x]
    return x


@kernel(inline=True)
def join_two(parent, x, y):  # type: ignore[no-untyped-def]
    """Join the components of two nodes."""
    x, y = find(parent, x), find(parent, y)
    if x < y:
        parent[y] = x
    else:
        parent[x] = y


@kernel(types.void(read(int64), read(int64), write(int64)))
def join(left, right, parent):  # type: ignore[no-untyped-def]
    """Join the components of each pair."""
    for i in range(left.size):
        join_two(parent, left[i], right[i])


def roots(parent: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Every node's root, by pointer jumping."""
    while True:
        up = parent[parent]
        if np.array_equal(up, parent):
            return parent
        parent = up
