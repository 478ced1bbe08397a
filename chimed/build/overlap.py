"""overlap.parquet: which evaluation items stand in this release's sources, so that scores can be split by it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from chimed.build.lanes import LOST, Lane, Lanes
from chimed.build.write import entry
from chimed.parquet import write_one
from chimed.release import FileEntry

OVERLAP = pa.schema([
    ("set", pa.string()), ("item", pa.string()), ("coverage", pa.float64()), ("run", pa.int64()),
    ("contaminated", pa.bool_()), ("record", pa.string()), ("source", pa.string()), ("published", pa.bool_()),
])  # fmt: skip


def _hits(lanes: Lanes, lane: Lane) -> Iterator[dict[str, Any]]:
    start = 0
    for part in lane.parts:
        if not part.with_suffix(".overlap.json").is_file():
            continue  # no step looked at the texts
        hits = json.loads(part.with_suffix(".overlap.json").read_text(encoding="utf-8"))
        for row, (name, item, coverage, run, contaminated) in hits["hits"]:
            number = start + row
            yield {
                "set": name, "item": item, "coverage": coverage, "run": run, "contaminated": contaminated,
                "record": lane.id(number), "source": lane.source.name,
                "published": bool(lanes.fate[lane.start + number] != LOST),
            }  # fmt: skip
        start += hits["rows"]


def write_overlap(folder: Path, lanes: Lanes) -> list[FileEntry]:
    """Per evaluation item the record that holds most of it; nothing is written where nothing was checked."""
    best: dict[tuple[str, str], dict[str, Any]] = {}
    for lane in lanes.lanes:
        for hit in _hits(lanes, lane):
            key = hit["set"], hit["item"]
            known = best.get(key)
            if known is None or (hit["contaminated"], hit["coverage"], hit["run"]) > (
                known["contaminated"], known["coverage"], known["run"],
            ):  # fmt: skip
                best[key] = hit
    if not best:
        return []
    table = pa.Table.from_pylist([best[key] for key in sorted(best)], OVERLAP)
    return [entry(write_one(folder / "overlap.parquet", table.to_batches(), OVERLAP), folder)]
