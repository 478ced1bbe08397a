"""Deduplication of anyone's files: kept rows with all their columns, and a file of lost rows beside them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from chimed import anyfile
from chimed.dedup.exact import exact
from chimed.dedup.found import REASONS, Found
from chimed.dedup.near import Progress, near
from chimed.dedup.settings import Method, NearSettings
from chimed.dedup.sketches import Released
from chimed.dedup.substring import Cut, SubstringSettings, substring
from chimed.errors import DataError, UsageError
from chimed.parquet import write_one

LOST = pa.schema([
    ("id", pa.string()), ("twin", pa.string()), ("similarity", pa.float32()), ("reason", pa.string()),
])  # fmt: skip
SUBSTRING_REASON = "repeated_substring"


@dataclass(frozen=True)
class Job:
    """What is to be deduplicated: files in rank order (the first copy stays), where to, and the column to compare."""

    paths: Sequence[Path]
    out: Path
    column: str = "text"

    @property
    def lost(self) -> Path:
        """Where the lost rows are written."""
        return self.out.with_name(f"{self.out.name}.lost.parquet")

    @property
    def work(self) -> Path:
        """Scratch folder beside the output; removed at the end, emptied by the next run after a stop."""
        return self.out.with_name(f".{self.out.name}.work")

    def texts(self) -> Iterator[pa.RecordBatch]:
        """Ids and compared texts of all rows."""
        return anyfile.read_texts(self.paths, self.column)


def deduplicate(
    job: Job, method: Method, settings: NearSettings, *, against: Released | None = None,
    progress: Progress | None = None, find: Callable[..., Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Write the kept rows to `job.out` and the lost ones beside it; returns what was read, kept and lost.

    `find` takes the place of `near`, `exact` or `substring` (another engine). Raises UsageError where the output is one of the
    inputs, DataError where a file cannot be read or does not have the column.
    """
    started = time.monotonic()
    _check(job, method, against)
    try:
        if method == "substring":
            facts = _cut_rows(job, find or substring)
        else:
            finder = find or (near if method == "near" else exact)
            found = finder(job.texts, settings, job.work, against=against, progress=progress)
            facts = _write(job, found)
    finally:
        shutil.rmtree(job.work, ignore_errors=True)
    threshold = {"near": settings.threshold, "exact": 1.0, "substring": None}[method]
    return {**facts, "seconds": round(time.monotonic() - started, 3), "method": method, "threshold": threshold}


def _check(job: Job, method: Method, against: Released | None) -> None:
    anyfile.kind_of(job.out)
    for path in job.paths:
        anyfile.kind_of(path)
        if not path.is_file():
            raise DataError(f"{path}: {'a folder, not a file' if path.is_dir() else 'no such file'}.")
        if job.out.exists() and path.samefile(job.out):
            raise UsageError(f"{job.out} is read and written. Give --out another name.")
    if method == "substring" and against is not None:
        raise UsageError("--against compares whole texts: use it with --method near or exact.")
    job.out.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(job.work, ignore_errors=True)
    job.work.mkdir()


def _write(job: Job, found: Found) -> dict[str, Any]:
    """The lost rows first: what stands under the output's name is always explained."""
    write_one(job.lost, _losses(job, found), LOST)
    kept = anyfile.filter_rows(job.paths, found.keep, job.out)
    return {
        "read": found.keep.size, "kept": kept, "lost": found.lost(), "saved_by_numbers": found.saved_by_numbers,
    }  # fmt: skip


def _losses(job: Job, found: Found) -> Iterator[pa.RecordBatch]:
    lost = np.flatnonzero(~found.keep)
    named = np.unique(np.concatenate([lost, found.twin[lost][found.twin[lost] >= 0]]))
    names = _names(job, named)
    for start in range(0, lost.size, 8192):
        rows = lost[start : start + 8192]
        twins = np.where(found.twin[rows] < 0, rows, found.twin[rows])
        ids, twins = (names.take(pa.array(np.searchsorted(named, side))) for side in (rows, twins))
        released = pa.array([found.released.get(row) for row in rows.tolist()], pa.string())
        reasons = pa.array(REASONS).take(pa.array(found.reason[rows]))
        twins = pc.coalesce(released, twins)
        yield pa.RecordBatch.from_arrays([ids, twins, pa.array(found.similarity[rows]), reasons], schema=LOST)


def _names(job: Job, rows: npt.NDArray[np.int64]) -> pa.Array:
    """The ids of some rows (ascending numbers)."""
    parts, start = [pa.array([], pa.string())], 0
    for ids in anyfile.read_ids(job.paths) if rows.size else ():
        low, high = np.searchsorted(rows, [start, start + len(ids)])
        parts.append(ids.take(pa.array(rows[low:high] - start)))
        start += len(ids)
    return pa.concat_arrays(parts)


def _batched(rows: Iterator[dict[str, Any]], size: int = 8192) -> Iterator[pa.RecordBatch]:
    held: list[dict[str, Any]] = []
    for row in rows:
        held.append(row)
        if len(held) == size:
            yield pa.RecordBatch.from_pylist(held, LOST)
            held = []
    if held:
        yield pa.RecordBatch.from_pylist(held, LOST)


def _cut_rows(job: Job, find: Callable[..., Iterator[Cut]]) -> dict[str, Any]:
    """Cut repeated passages; rows of which too little is left are lost."""
    anyfile.require_text(job.paths, job.column)
    size = sum(path.stat().st_size * (3 if anyfile.kind_of(path) == "parquet" else 1) for path in job.paths)
    counts = {"read": 0, "cut": 0, "cut_characters": 0}
    dropped: list[tuple[int, int]] = []
    cuts = find(job.texts, SubstringSettings(), job.work, size)
    change = _Change(cuts, counts, dropped)
    kept = anyfile.rewrite(job.paths, job.out, job.column, change)
    next(cuts, None)  # lets the search close its files
    named = np.unique(np.array(dropped, np.int64))
    names = dict(zip(named.tolist(), _names(job, named).to_pylist(), strict=True))
    rows = ({"id": names[row], "twin": names[twin], "reason": SUBSTRING_REASON} for row, twin in dropped)
    write_one(job.lost, _batched(rows), LOST)
    lost = {SUBSTRING_REASON: len(dropped)} if dropped else {}
    return {**counts, "kept": kept, "lost": lost}


class _Change:
    """Applies cuts to the values of a column as they stream by."""

    def __init__(self, cuts: Iterator[Cut], counts: dict[str, int], dropped: list[tuple[int, int]]) -> None:
        self.cuts, self.counts, self.dropped = cuts, counts, dropped
        self.waiting = next(cuts, None)

    def __call__(self, values: list[Any]) -> list[Any]:
        new = list(values)
        start = self.counts["read"]
        self.counts["read"] += len(values)
        while (cut := self.waiting) is not None and cut.row < start + len(values):
            new[cut.row - start] = anyfile.DROP if cut.drop else cut.text
            if cut.drop:
                self.dropped.append((cut.row, cut.twin))
            else:
                self.counts["cut"] += 1
                self.counts["cut_characters"] += sum(end - begin for begin, end in cut.spans)
            self.waiting = next(self.cuts, None)
        return new
