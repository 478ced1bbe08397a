"""All staged rows of a split as arrays: one lane per source, in rank order, with the addresses of the rows.

Memory is some 40 bytes a row, never the texts. The rank of a row (which twin stays) is its place in this order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from chimed import staging
from chimed.records import REASONS
from chimed.source import Source

# Where a row ends up.
LOST, TRAIN, VALIDATION, SAMPLED = 0, 1, 2, 3
CODE = {reason: number for number, reason in enumerate(REASONS, start=1)}


@dataclass
class Lane:
    """The rows of one source: parts on disk and what is needed of every row to decide about it."""

    source: Source
    read: int
    parts: list[Path]
    sizes: list[int] = field(default_factory=list)
    start: int = 0
    hashes: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    repeat: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    rows: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    medical: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))

    def __len__(self) -> int:
        return len(self.hashes)

    def id(self, row: int) -> str:
        """Address of a row: source, hash of the upstream row, and a counter where identical rows were read before."""
        return self.ids(np.array([row]))[0]

    def ids(self, rows: npt.NDArray[np.int64]) -> list[str]:
        """Addresses of many rows."""
        digits = self.hashes[rows].astype(">u8").tobytes().hex()
        head = f"{self.source.name}:"
        ids = [head + digits[at : at + 16] for at in range(0, len(digits), 16)]
        for place in np.flatnonzero(self.repeat[rows]):
            ids[place] += f"-{self.repeat[rows[place]]}"
        return ids

    def id_column(self, rows: npt.NDArray[np.int64]) -> pa.StringArray:
        """Addresses of many rows as a column, laid out at once where none carries a counter."""
        if self.repeat[rows].any():
            return pa.array(self.ids(rows), pa.string())
        head = f"{self.source.name}:".encode()
        width = len(head) + 16
        cells = np.empty((len(rows), width), np.uint8)
        cells[:, : len(head)] = np.frombuffer(head, np.uint8)
        digits = self.hashes[rows].astype(">u8").tobytes().hex().encode("ascii")
        cells[:, len(head) :] = np.frombuffer(digits, np.uint8).reshape(-1, 16)
        ends = np.arange(0, width * len(rows) + 1, width, dtype=np.int32)
        return pa.StringArray.from_buffers(len(rows), pa.py_buffer(ends), pa.py_buffer(cells))


@dataclass
class Lanes:
    """All lanes and what was decided so far; arrays are indexed by global row number.

    `twin` is a row or -1; a row lost to one of an earlier release has that one's id in `released`.
    """

    lanes: list[Lane]
    fate: npt.NDArray[np.uint8]
    reason: npt.NDArray[np.uint8]
    twin: npt.NDArray[np.int64]
    similarity: npt.NDArray[np.float32]
    cluster: npt.NDArray[np.int64]
    released: dict[int, str] = field(default_factory=dict)

    def lane_of(self, row: int) -> Lane:
        """The lane a global row number belongs to."""
        starts = [lane.start for lane in self.lanes]
        return self.lanes[int(np.searchsorted(starts, row, side="right")) - 1]

    def id(self, row: int) -> str:
        """Address of a global row."""
        lane = self.lane_of(row)
        return lane.id(row - lane.start)

    def twin_of(self, row: int) -> str | None:
        """Address of the twin that a lost row was lost to."""
        twin = int(self.twin[row])
        return self.id(twin) if twin >= 0 else self.released.get(row)

    def alive(self) -> npt.NDArray[np.int64]:
        """Global numbers of the rows that are still in, in rank order."""
        return np.flatnonzero(self.fate == TRAIN)

    def lose(self, rows: npt.NDArray[np.int64], reason: str) -> None:
        """Lose rows for a reason of the closed list."""
        self.fate[rows] = LOST
        self.reason[rows] = CODE[reason]

    def texts(self, batch_rows: int = 4096) -> Iterator[pa.RecordBatch]:
        """Id and compared text (all texts of a row, joined) of the live rows in rank order."""
        for lane in self.lanes:
            start = lane.start
            for part in staging.read_parts(lane.parts, ["texts"]):
                live = np.flatnonzero(self.fate[start : start + part.num_rows] == TRAIN)
                ids = lane.id_column(start - lane.start + live)
                joined = joined_texts(part.column("texts").take(pa.array(live)))
                batch = pa.RecordBatch.from_arrays([ids, joined], ["id", "text"])
                yield from (batch.slice(i, batch_rows) for i in range(0, batch.num_rows, batch_rows))
                start += part.num_rows


def joined_texts(texts: pa.ListArray) -> pa.LargeStringArray:
    """The texts of each row joined by newlines: what is compared and counted."""
    return pc.binary_join(texts, "\n").cast(pa.large_string())


def _repeats(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.int32]:
    """How often the same hash came before, row by row."""
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    new = np.ones(len(ordered), np.bool_)
    new[1:] = ordered[1:] != ordered[:-1]
    firsts = np.maximum.accumulate(np.where(new, np.arange(len(ordered)), 0))
    counts = np.zeros(len(ordered), np.int32)
    counts[order] = np.arange(len(ordered)) - firsts
    return counts


def _load(lane: Lane) -> tuple[Lane, npt.NDArray[np.uint8]]:
    lane.sizes = []
    columns: dict[str, list[Any]] = {"hash": [], "rows": [], "medical": [], "code": []}
    for part in staging.read_parts(lane.parts, ["hash", "rows", "reason", "domain"]):
        lane.sizes.append(part.num_rows)
        columns["hash"].append(part.column("hash").to_numpy())
        columns["rows"].append(part.column("rows").to_numpy())
        columns["medical"].append(pc.equal(part.column("domain"), "medical").to_numpy(zero_copy_only=False))
        codes = pc.index_in(part.column("reason"), pa.array(REASONS))
        columns["code"].append(pc.add(pc.fill_null(codes, -1), 1).cast(pa.uint8()).to_numpy())
    if lane.parts:
        lane.hashes = np.concatenate(columns["hash"])
        lane.rows = np.concatenate(columns["rows"])
        lane.medical = np.concatenate(columns["medical"])
        lane.repeat = _repeats(lane.hashes)
    return lane, np.concatenate(columns["code"]) if lane.parts else np.zeros(0, np.uint8)


def load(lanes: list[Lane]) -> Lanes:
    """Read what decides about every row; lanes come in rank order. Reasons found so far are kept."""
    codes = []
    start = 0
    for lane in lanes:
        _, code = _load(lane)
        lane.start = start
        start += len(lane)
        codes.append(code)
    reason = np.concatenate(codes) if codes else np.zeros(0, np.uint8)
    return Lanes(
        lanes,
        fate=np.where(reason == 0, TRAIN, LOST).astype(np.uint8),
        reason=reason,
        twin=np.full(start, -1, np.int64),
        similarity=np.zeros(start, np.float32),
        cluster=np.arange(start, dtype=np.int64),
    )
