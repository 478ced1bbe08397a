"""Near duplicates out of core: sign all rows, join candidates by their sketches, verify candidates by their texts.

Three sweeps: (1) every text is signed, keys and sketches go to disk; (2) rows that share a band key and whose sketches
agree are joined to candidate components; (3) the texts of candidates are read again and each component is verified
exactly. Every edge that verification can find lies inside one candidate component, so how components are grouped into
parts, and where a part is verified, cannot change the result. About 60 bytes per row stay in memory.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from chimed.dedup.found import EXACT, NEAR, Found, Groups, exact_groups, join, lead
from chimed.dedup.settings import NearSettings
from chimed.dedup.signing import Signed, permutations, sets_of, sign
from chimed.dedup.sketches import Earlier, Released
from chimed.dedup.spill import Grown, Spill, fold
from chimed.dedup.verify import Sets, buckets, link, roots, verify

PART_BYTES = 64 * 2**20
Batches = Callable[[], Iterator[pa.RecordBatch]]
Ids = Callable[[npt.NDArray[np.int64]], dict[int, str]]
Progress = Callable[[float, float | None, str], None]


class Folded(NamedTuple):
    """A signed batch with its band keys and sketches."""

    signed: Signed
    keys: npt.NDArray[np.uint64]
    sketch: npt.NDArray[np.uint8]


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
class Candidates:
    """Rows that verification must see, ascending, and the part (of whole components) that each is verified in."""

    rows: npt.NDArray[np.int64]
    part: npt.NDArray[np.int64]
    parts: int


@dataclass(frozen=True)
class Edges:
    """Verified pairs of rows with their Jaccard, and pairs that are joined when numbers are ignored."""

    pairs: npt.NDArray[np.int64]
    similarity: npt.NDArray[np.float64]
    loose: npt.NDArray[np.int64]


def near(
    batches: Batches, settings: NearSettings, work: Path, *, against: Released | None = None,
    progress: Progress | None = None,
) -> Found:  # fmt: skip
    """Find near and exact duplicates among texts in rank order (the lowest row of a component stays).

    `batches` gives record batches with the columns `id` and `text` and is called twice; how rows are cut into batches
    does not matter. The rows of `against` come before all others and are never lost. `work` is a folder for this run alone: it is emptied first and removed at the end.
    """
    tell = progress or (lambda done, total, words: None)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    earlier = Earlier(against) if against is not None else None
    texts = batches if earlier is None else lambda: chain(earlier.batches(), batches())
    with closing(Spill(work, settings.bands, settings.permutations)) as spill:
        rows = sign_all(signed(batches, settings, earlier), spill, settings, earlier.rows if earlier else 0, tell)
        groups = exact_groups(rows.prints, rows.numbers, rows.shingles)
        rows = replace(rows, prints=np.empty((0, 2), np.uint64))
        candidates = candidate_parts(rows, groups, spill, settings, tell)
        edges = verify_parts(texts, rows, candidates, spill, settings, work, tell)
    shutil.rmtree(work)
    return assemble(rows, groups, edges, earlier.ids if earlier else no_ids)


def signed(batches: Batches, settings: NearSettings, earlier: Earlier | None) -> Iterator[Folded]:
    """Signatures of the release's rows, then of the new ones, with their keys and sketches."""
    ab = permutations(settings.permutations)
    new = (sign(batch.column("text"), ab) for batch in batches())
    for batch in chain(earlier.signed(settings) if earlier is not None else (), new):
        yield Folded(batch, *fold(batch.signature, settings.bands, settings.rows))


def sign_all(found: Iterable[Folded], spill: Spill, settings: NearSettings, released: int, tell: Progress) -> Rows:
    """First sweep: keys and sketches to disk, fingerprints and number keys to memory."""
    kept: list[Signed] = []
    rows = 0
    for batch in found:
        spill.append(batch.keys, batch.sketch)
        kept.append(batch.signed._replace(signature=np.empty((0, 0), np.uint32)))
        rows += batch.signed.shingles.size
        tell(rows, None, "signing")
    return gathered(kept, settings, released)


def gathered(kept: list[Signed], settings: NearSettings, released: int) -> Rows:
    """The per-row values of all batches."""
    prints = np.concatenate([np.empty((0, 2), np.uint64), *(b.prints for b in kept)])
    numbers = np.concatenate([np.empty(0, np.uint64), *(b.numbers for b in kept)])
    shingles = np.concatenate([np.empty(0, np.uint32), *(b.shingles for b in kept)])
    if settings.numbers == "ignore":
        numbers = np.zeros_like(numbers)
    return Rows(prints, numbers, shingles, released)


def candidate_parts(
    rows: Rows, groups: Groups, spill: Spill, settings: NearSettings, tell: Progress
) -> Candidates:  # fmt: skip
    """Second sweep: components of rows that share a band key and agree in their sketches, packed into parts."""
    n = rows.shingles.size
    first = np.flatnonzero((groups.strict == np.arange(n)) & (rows.shingles > 0))
    parent, old = np.arange(n, dtype=np.int64), rows.old
    for band in range(settings.bands):
        places, starts = buckets(spill.column(band, first))
        members = first[places]
        link(members, starts, spill.sketches(members), settings.floor, old, parent)
        tell(band + 1, settings.bands, "joining candidates")
    return packed(roots(parent), rows.shingles)


def packed(root: npt.NDArray[np.int64], shingles: npt.NDArray[np.uint32]) -> Candidates:
    """Components of two or more rows, cut into parts of about PART_BYTES of sets by their lowest row."""
    sizes = np.bincount(root, minlength=root.size)
    member = np.flatnonzero(sizes[root] > 1)
    weight = np.bincount(root[member], weights=8.0 * shingles[member] + 64, minlength=root.size)
    heads = np.flatnonzero(weight)
    part_of = np.zeros(root.size, np.int64)
    part_of[heads] = np.cumsum(weight[heads]) // PART_BYTES
    _, part = np.unique(part_of[root[member]], return_inverse=True)
    return Candidates(member, part, int(part.max()) + 1 if part.size else 0)


def verify_parts(
    texts: Batches, rows: Rows, candidates: Candidates, spill: Spill, settings: NearSettings, work: Path,
    tell: Progress,
) -> Edges:  # fmt: skip
    """Third sweep: read the candidates' texts again and verify part by part."""
    points, shingles = Grown(work / "points", np.uint32), Grown(work / "shingles", np.uint32)
    keys = Grown(work / "candidate_keys", np.uint64)
    with closing(points), closing(shingles), closing(keys):
        spans = _spill_sets(texts, candidates.rows, points, shingles, tell)
        order = np.argsort(candidates.part, kind="stable")
        for band in range(settings.bands):
            keys.append(spill.column(band, candidates.rows)[order])
        ends = np.searchsorted(candidates.part[order], np.arange(candidates.parts + 1))
        found = []
        for part, (low, high) in enumerate(zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)):
            chosen = order[low:high]
            sets = Sets(*points.gather(spans[chosen, 0:2]), *shingles.gather(spans[chosen, 2:4]))
            columns = np.stack([keys.read(band * order.size + low, high - low) for band in range(settings.bands)])
            here = candidates.rows[chosen]
            sketch, numbers = spill.sketches(here), rows.numbers[here]
            found.append(verify_part(here, sets, columns, sketch, numbers, rows.released, settings))
            tell(part + 1, candidates.parts, "verifying")
    return joined(found)


def _spill_sets(
    texts: Batches, wanted: npt.NDArray[np.int64], points: Grown[np.uint32], shingles: Grown[np.uint32], tell: Progress
) -> npt.NDArray[np.int64]:
    """Write the candidates' code points and 5-grams; returns begin and end of each in both files."""
    spans, row = [np.empty((0, 4), np.int64)], 0
    for batch in texts() if wanted.size else ():
        low, high = np.searchsorted(wanted, [row, row + batch.num_rows])
        if high > low:
            sets = sets_of(batch.column("text").take(pa.array(wanted[low:high] - row)))
            spans.append(np.hstack([sets.points_at + points.size, sets.shingles_at + shingles.size]))
            points.append(sets.points)
            shingles.append(sets.shingles)
        row += batch.num_rows
        tell(row, None, "reading candidates")
    return np.concatenate(spans)


def verify_part(
    chosen: npt.NDArray[np.int64], sets: Sets, keys: npt.NDArray[np.uint64], sketch: npt.NDArray[np.uint8],
    numbers: npt.NDArray[np.uint64], released: int, settings: NearSettings,
) -> Edges:  # fmt: skip
    """Verify one part; `chosen` are its rows, ascending, all else has an entry for each of them."""
    graph = verify(sets, keys, sketch, numbers, chosen < released, settings.threshold, settings.floor)
    inside = np.flatnonzero(graph.loose != np.arange(chosen.size))
    loose = np.stack([chosen[inside], chosen[graph.loose[inside]]], axis=1)
    return Edges(chosen[graph.edges], graph.similarity, loose)


def verify_texts(chosen: npt.NDArray[np.int64], texts: pa.Array, released: int, settings: NearSettings) -> Edges:
    """Verify one part from its texts alone, wherever that is: signs them again."""
    found = sign(texts, permutations(settings.permutations))
    numbers = found.numbers if settings.numbers == "same" else np.zeros_like(found.numbers)
    keys, sketch = fold(found.signature, settings.bands, settings.rows)
    return verify_part(chosen, sets_of(texts), keys, sketch, numbers, released, settings)


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
