"""Near and exact duplicates on a Ray cluster, through Daft: signing and verifying are maps over rows and over parts of
whole candidate components, by the very functions of the local road; the joining of candidates happens in this process
(about 300 bytes per row, most of them on disk).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from chimed.dedup.assemble import Edges, assemble, gathered, joined, no_ids
from chimed.dedup.found import Found, exact_groups
from chimed.dedup.near import Batches, Candidates, Folded, Progress, candidate_parts, sign_all, verify_texts
from chimed.dedup.settings import NearSettings
from chimed.dedup.signing import Signed, permutations, sign
from chimed.dedup.sketches import Earlier, Released
from chimed.dedup.spill import Spill, fold
from chimed.engine.cluster import cluster, stage

_EDGE = np.dtype([("pair", "<i8", 2), ("similarity", "<f8"), ("verified", "u1")])


def near_on_ray(
    batches: Batches, settings: NearSettings, work: Path, *, against: Released | None = None,
    progress: Progress | None = None,
) -> Found:  # fmt: skip
    """`chimed.dedup.near` on a Ray cluster: same arguments, same result."""
    tell = progress or (lambda done, total, words: None)
    earlier = Earlier(against) if against is not None else None
    staged = stage(batches, earlier, work)
    released = earlier.rows if earlier else 0
    with cluster() as daft, closing(Spill(work, settings.bands, settings.permutations)) as spill:
        rows = sign_all(_signed(daft, staged, settings, settings.permutations), spill, settings, released, tell)
        groups = exact_groups(rows.prints, rows.numbers, rows.shingles)
        candidates = candidate_parts(rows, groups, spill, settings, tell)
        edges = _verified(daft, staged, candidates, released, settings)
    shutil.rmtree(work)
    return assemble(rows, groups, edges, earlier.ids if earlier else no_ids)


def exact_on_ray(
    batches: Batches, settings: NearSettings, work: Path, *, against: Released | None = None,
    progress: Progress | None = None,
) -> Found:  # fmt: skip
    """`chimed.dedup.exact` on a Ray cluster: same arguments, same result."""
    earlier = Earlier(against) if against is not None else None
    staged = stage(batches, earlier, work)
    with cluster() as daft:
        found = [batch.signed for batch in _signed(daft, staged, settings, 0)]
    rows = gathered(found, settings, earlier.rows if earlier else 0)
    shutil.rmtree(work)
    groups = exact_groups(rows.prints, rows.numbers, rows.shingles)
    return assemble(rows, groups, joined([]), earlier.ids if earlier else no_ids)


def _packed(records: npt.NDArray[Any]) -> pa.Array:
    """Records of fixed width as a binary column: one type that no engine changes on the way."""
    offsets = np.arange(len(records) + 1, dtype=np.int64) * records.dtype.itemsize
    return pa.Array.from_buffers(
        pa.large_binary(), len(records), [None, pa.py_buffer(offsets), pa.py_buffer(records.tobytes())]
    )


def _unpacked(column: pa.Array, kind: np.dtype[Any]) -> npt.NDArray[Any]:
    return np.frombuffer(b"".join(column.to_pylist()), kind)


def _record(settings: NearSettings, count: int) -> np.dtype[Any]:
    bands = settings.bands if count else 0
    return np.dtype([
        ("prints", "<u8", (2,)), ("numbers", "<u8"), ("shingles", "<u4"), ("keys", "<u8", (bands,)),
        ("sketch", "u1", (count,)),
    ])  # fmt: skip


def _signed(daft: Any, staged: str, settings: NearSettings, count: int) -> Iterator[Folded]:
    """Sign on the cluster with `count` permutations; batches come back in the order of their rows."""
    kind = _record(settings, count)

    @daft.func.batch(return_dtype=daft.DataType.binary())
    def signing(texts: Any) -> pa.Array:
        found = sign(texts.to_arrow(), permutations(count))
        records = np.zeros(len(found.shingles), kind)
        records["prints"], records["numbers"], records["shingles"] = found.prints, found.numbers, found.shingles
        if count:
            keys, records["sketch"] = fold(found.signature, settings.bands, settings.rows)
            records["keys"] = keys.T
        return _packed(records)

    table = daft.read_parquet(staged)
    signed = table.select(table["row"], signing(table["text"]).alias("signed")).sort("row")
    for batch in signed.to_arrow_iter():
        rows = _unpacked(batch.column("signed"), kind)
        plain = Signed(rows["prints"], rows["numbers"], rows["shingles"], np.empty((0, 0), np.uint32))
        yield Folded(plain, np.ascontiguousarray(rows["keys"].T), np.ascontiguousarray(rows["sketch"]))


def _verified(daft: Any, staged: str, candidates: Candidates, released: int, settings: NearSettings) -> Edges:
    """Verify parts on the cluster, each where its rows are gathered."""

    @daft.func.batch(return_dtype=daft.DataType.binary())
    def verifying(rows: Any, texts: Any) -> pa.Array:
        numbers = rows.to_arrow().to_numpy()
        order = np.argsort(numbers)
        found = verify_texts(numbers[order], texts.to_arrow().take(pa.array(order)), released, settings)
        records = np.zeros(len(found.pairs) + len(found.loose), _EDGE)
        records["pair"] = np.concatenate([found.pairs, found.loose])
        records["similarity"][: len(found.pairs)], records["verified"][: len(found.pairs)] = found.similarity, 1
        return _packed(records)

    if not candidates.parts:
        return joined([])
    parts = daft.from_arrow(pa.table({"row": candidates.rows, "part": candidates.part}))
    table = parts.join(daft.read_parquet(staged), on="row")
    found = table.groupby("part").map_groups(verifying(table["row"], table["text"]).alias("edges")).sort("part")
    return joined(_edges(batch.column("edges")) for batch in found.to_arrow_iter())


def _edges(column: pa.Array) -> Edges:
    records = _unpacked(column, _EDGE)
    verified = records["verified"] == 1
    pairs = records["pair"].astype(np.int64)
    return Edges(pairs[verified], records["similarity"][verified].copy(), pairs[~verified])
