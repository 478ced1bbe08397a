"""A few rows before and after cleaning and masking, for the report; they stay on this machine."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from chimed import staging
from chimed.build.lanes import TRAIN, Lane, Lanes
from chimed.build.write import entry
from chimed.parquet import write_one
from chimed.release import FileEntry

EACH = 20
SAMPLES = pa.schema([(name, pa.string()) for name in ("id", "source", "did", "before", "after")])


def _changed(lanes: Lanes, lane: Lane) -> Iterator[tuple[int, int, int, str]]:
    """Changed live rows as (hash, part, row in it, what changed them)."""
    start = lane.start
    for number, part in enumerate(staging.read_parts(lane.parts, ["hash", "cleaned", "masked"])):
        live = pa.array(lanes.fate[start : start + part.num_rows] == TRAIN)
        touched = pc.or_(pc.is_valid(part.column("cleaned")), pc.is_valid(part.column("masked")))
        for row in np.flatnonzero(pc.and_(live, touched).to_numpy(zero_copy_only=False)):
            words = [str(part.column(name)[row]) for name in ("cleaned", "masked") if part.column(name)[row].is_valid]
            yield part.column("hash")[row].as_py(), number, int(row), "; ".join(words)
        start += part.num_rows


def _rows(lanes: Lanes, lane: Lane, before: list[Path]) -> Iterator[dict[str, Any]]:
    starts = np.concatenate([[0], np.cumsum([staging.read_part(part, ["hash"]).num_rows for part in lane.parts])])
    for _, number, row, did in sorted(heapq.nsmallest(EACH, _changed(lanes, lane)), key=lambda found: found[1:3]):
        old, new = (
            staging.read_part(parts[number], ["texts"]).column(0)[row].as_py() for parts in (before, lane.parts)
        )
        yield {
            "id": lane.id(int(starts[number]) + row), "source": lane.source.name, "did": did,
            "before": "\n".join(old), "after": "\n".join(new),
        }  # fmt: skip


def write_samples(folder: Path, lanes: Lanes, before: dict[str, list[Path]]) -> FileEntry:
    """Write samples/: of each source the changed rows with the smallest hashes; `before` are its untransformed parts."""
    batches = (
        pa.RecordBatch.from_pylist(list(_rows(lanes, lane, before[lane.source.name])), SAMPLES) for lane in lanes.lanes
    )
    return entry(write_one(folder / "samples" / "part-00000.parquet", batches, SAMPLES), folder)
