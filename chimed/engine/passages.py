"""Repeated passages on a Ray cluster: texts are swept file by file, windows compared part by part, in any order.

What the tasks share lies in the folder of the work: the filter of minimizers, the windows, and the pairs found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from chimed.dedup.substring import (
    Batches,
    Pairs,
    SubstringSettings,
    filter_of,
    mark_texts,
    pairs_of,
    parts_for,
    windows_of,
)  # fmt: skip
from chimed.dedup.twice import merge
from chimed.engine.cluster import stage, tasks

_SWEEPS = 64
"""At most so many tasks note minimizers: each brings a filter of its own, of up to 256 MB."""
_FILTER = "filter.npy"


def pairs_on_ray(batches: Batches, settings: SubstringSettings, work: Path, size: int) -> Pairs:
    """`chimed.dedup.substring.pairs_here` on a Ray cluster: same arguments, same result."""
    stage(batches, None, work)
    files = sorted((work / "texts").iterdir())
    with tasks() as run:
        counts = _marked(run, files, settings, size, work)
        starts = np.cumsum(np.concatenate([np.zeros(1, np.int64), *counts]))
        edges = np.concatenate([[0], np.cumsum([int(count.sum()) for count in counts])])
        parts = parts_for(int(starts[-1]))
        list(run(_emit, [(file, settings, *map(int, edges[i : i + 2]), parts) for i, file in enumerate(files)]))
        list(run(_compare, [(work, part) for part in range(parts)]))
    return starts, (np.load(work / f"pairs-{part:03d}.npy") for part in range(parts))


def _marked(
    run: Any, files: Sequence[Path], settings: SubstringSettings, size: int, work: Path
) -> list[npt.NDArray[np.int64]]:
    """Write the filter of all texts; returns the characters of every text, file by file."""
    step = -(-len(files) // _SWEEPS)
    seen, counts = filter_of(size), dict[int, list[npt.NDArray[np.int64]]]()
    calls = [(first, files[first : first + step], settings, size) for first in range(0, len(files), step)]
    for first, found, other in run(_mark, calls):
        counts[first] = found
        merge(seen, other)
    np.save(work / _FILTER, seen)
    return [count for first in sorted(counts) for count in counts[first]]


def _texts(file: Path) -> pa.Array:
    return pq.read_table(file, columns=["text"]).column(0).combine_chunks()


def _mark(
    first: int, files: Sequence[Path], settings: SubstringSettings, size: int
) -> tuple[int, list[npt.NDArray[np.int64]], npt.NDArray[np.uint8]]:
    seen = filter_of(size)
    return first, [mark_texts(_texts(file), settings, seen) for file in files], seen


def _emit(file: Path, settings: SubstringSettings, start: int, stop: int, parts: int) -> None:
    work = file.parent.parent
    seen = np.asarray(np.load(work / _FILTER, mmap_mode="r"))
    windows, ends = windows_of(_texts(file), settings, seen, start, stop, parts)
    np.save(work / f"{file.stem}.windows.npy", windows)
    np.save(work / f"{file.stem}.ends.npy", ends)


def _compare(work: Path, part: int) -> None:
    windows = np.concatenate(list(_windows(work, part)))
    np.save(work / f"pairs-{part:03d}.npy", pairs_of(windows))


def _windows(work: Path, part: int) -> Iterator[npt.NDArray[np.uint64]]:
    """The windows of a part in the order of their places: file by file."""
    yield np.empty((0, 3), np.uint64)
    for name in sorted(work.glob("*.ends.npy")):
        begin, end = np.load(name)[part : part + 2]
        yield np.load(name.with_name(name.name.replace("ends", "windows")), mmap_mode="r")[begin:end]
