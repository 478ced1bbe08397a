"""From what was found about rows, exact groups and verified edges, to what stays."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chimed.dedup.found import EXACT, NEAR, Found, Groups, lead
from chimed.dedup.settings import NearSettings
from chimed.dedup.signing import Signed
from chimed.dedup.union import join, roots

Ids = Callable[[npt.NDArray[np.int64]], dict[int, str]]


@dataclass(frozen=True)
class Rows:
    """What is kept of every row (number keys are 0 where they are ignored); the first `released` are the release's."""

    prints: npt.NDArray[np.uint64]
    numbers: npt.NDArray[np.uint64]
    shingles: npt.NDArray[np.uint32]
    released: int

    @property
    def old(self) -> npt.NDArray[np.bool_]:
        """Which rows belong to the earlier release."""
        return np.arange(self.shingles.size) < self.released


@dataclass(frozen=True)
class Edges:
    """Verified pairs of rows with their Jaccard, and pairs that are joined when numbers are ignored."""

    pairs: npt.NDArray[np.int64]
    similarity: npt.NDArray[np.float64]
    loose: npt.NDArray[np.int64]


def gathered(kept: list[Signed], settings: NearSettings, released: int) -> Rows:
    """The per-row values of all batches."""
    prints = np.concatenate([np.empty((0, 2), np.uint64), *(b.prints for b in kept)])
    numbers = np.concatenate([np.empty(0, np.uint64), *(b.numbers for b in kept)])
    shingles = np.concatenate([np.empty(0, np.uint32), *(b.shingles for b in kept)])
    if settings.numbers == "ignore":
        numbers = np.zeros_like(numbers)
    return Rows(prints, numbers, shingles, released)


def joined(found: Iterable[Edges]) -> Edges:
    """The edges of all parts."""
    parts = [Edges(np.empty((0, 2), np.int64), np.empty(0, np.float64), np.empty((0, 2), np.int64)), *found]
    return Edges(
        np.concatenate([p.pairs for p in parts]), np.concatenate([p.similarity for p in parts]),
        np.concatenate([p.loose for p in parts]),
    )  # fmt: skip


def assemble(rows: Rows, groups: Groups, edges: Edges, ids: Ids) -> Found:
    """From groups and verified edges to what stays: the lowest row of each component, and all rows of the release.

    `ids` finds the ids of some rows of the release. Work is done on the rows that anything was found about.
    """
    touched = _touched(groups, edges)
    local = Edges(np.searchsorted(touched, edges.pairs), edges.similarity, np.searchsorted(touched, edges.loose))
    equal, alike = (np.searchsorted(touched, group[touched]) for group in (groups.strict, groups.loose))
    itself, old = np.arange(touched.size), touched < rows.released
    strict = _components(equal, local.pairs)
    keep = (strict == itself) | old
    twin, score, reached = np.full(touched.size, -1), np.zeros(touched.size), np.zeros(touched.size, np.bool_)
    lead(local.pairs, local.similarity, keep, twin, score, reached)
    copies = (equal != itself) & ~old
    twin[copies], score[copies] = equal[copies], 1.0
    reason = np.where(keep, 0, np.where(copies, EXACT, NEAR)).astype(np.uint8)
    loose = _components(_components(alike, np.stack([itself, strict], axis=1)), local.loose)
    saved = int(np.count_nonzero(keep & ~old) - np.count_nonzero((loose == itself) & ~old))
    twin = np.where(keep, -1, touched[twin])
    return _found(rows, touched, keep, twin, score, reason, loose, saved, ids)


def _touched(groups: Groups, edges: Edges) -> npt.NDArray[np.int64]:
    """Rows of groups of two or more and of edges, ascending."""
    grouped = np.flatnonzero(groups.loose != np.arange(groups.loose.size))
    parts = [grouped, groups.strict[grouped], groups.loose[grouped], edges.pairs.ravel(), edges.loose.ravel()]
    return np.unique(np.concatenate(parts))


def _found(
    rows: Rows, touched: npt.NDArray[np.int64], keep: npt.NDArray[np.bool_], twin: npt.NDArray[np.int64],
    score: npt.NDArray[np.float64], reason: npt.NDArray[np.uint8], loose: npt.NDArray[np.int64], saved: int, ids: Ids,
) -> Found:  # fmt: skip
    """Spread what is known of the touched rows over all new rows; twins in the release are named."""
    first, n = rows.released, rows.shingles.size - rows.released
    new = np.flatnonzero(touched >= first)
    place = touched[new] - first
    in_release = new[(twin[new] >= 0) & (twin[new] < first)]
    names = ids(np.unique(twin[in_release]))
    found = Found(
        np.ones(n, np.bool_), np.full(n, -1), np.zeros(n, np.float32), np.zeros(n, np.uint8), np.arange(n), saved,
        {int(touched[i]) - first: names[int(twin[i])] for i in in_release},
    )  # fmt: skip
    found.keep[place], found.reason[place], found.similarity[place] = keep[new], reason[new], score[new]
    found.twin[place] = np.where(twin[new] >= first, twin[new] - first, -1)
    found.cluster[place] = place[_lowest_of_each(loose[new])]
    return found


def no_ids(rows: npt.NDArray[np.int64]) -> dict[int, str]:
    """Without an earlier release there is nothing to name."""
    return {}


def _components(parent: npt.NDArray[np.int64], pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Lowest row of every row's component, of groups that are joined by pairs."""
    parent, sides = parent.copy(), np.ascontiguousarray(pairs.T)
    join(sides[0], sides[1], parent)
    return roots(parent)


def _lowest_of_each(root: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The lowest place with the same root, for every place."""
    _, first, group = np.unique(root, return_index=True, return_inverse=True)
    return first[group]
