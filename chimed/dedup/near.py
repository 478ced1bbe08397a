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

from chimed.dedup.assemble import Edges, Rows, assemble, gathered, joined, no_ids
from chimed.dedup.buckets import buckets
from chimed.dedup.found import Found, Groups, exact_groups
from chimed.dedup.sets import Sets, sets_of
from chimed.dedup.settings import NearSettings
from chimed.dedup.signing import Signed, permutations, sign
from chimed.dedup.sketches import Earlier, Released
from chimed.dedup.spill import Grown, Spill, fold
from chimed.dedup.union import roots
from chimed.dedup.verify import link, verify

PART_BYTES = 64 * 2**20
Batches = Callable[[], Iterator[pa.RecordBatch]]
Progress = Callable[[float, float | None, str], None]


class Folded(NamedTuple):
    """A signed batch with its band keys and sketches."""

    signed: Signed
    keys: npt.NDArray[np.uint64]
    sketch: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Candidates:
    """Rows that verification must see, ascending, and the part (of whole components) that each is verified in."""

    rows: npt.NDArray[np.int64]
    part: npt.NDArray[np.int64]
    parts: int


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
    new = (sign(batch.column("text"), ab, settings.numbers == "same") for batch in batches())
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
    found = sign(texts, permutations(settings.permutations), settings.numbers == "same")
    keys, sketch = fold(found.signature, settings.bands, settings.rows)
    return verify_part(chosen, sets_of(texts), keys, sketch, found.numbers, released, settings)
