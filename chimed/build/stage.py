"""First step of a build: the rows of a source become staged texts, part by part, in bounded memory."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from chimed import staging
from chimed.build.parse import Parsed, parse_rows, row_hash
from chimed.readers.telling import telling
from chimed.records import Split
from chimed.source import BadRow, Row, Source

Cells = tuple[Any, ...]
EVERY = 0.5
"""Seconds between two notes, and two looks, at how much was read."""

NOTE = "bytes-read"
_LATER = ("cleaned", "masked", "flags")
_NOW = [field for field in staging.STAGED if field.name not in _LATER]
_ROWS = staging.STAGED.get_field_index("rows")


def limited(rows: Iterable[Row | BadRow], limit: int | None) -> Iterator[Row | BadRow]:
    """Rows that together stand for at most `limit` upstream rows; of joined ones as much as still fits."""
    left = limit
    for row in rows:
        if left is not None and row.rows > left:
            if left and isinstance(row, Row) and isinstance(row.value, str | list):
                lines = row.value if isinstance(row.value, list) else row.value.split("\n")
                value = lines[:left] if isinstance(row.value, list) else "\n".join(lines[:left])
                yield row._replace(value=value, rows=left)
            return
        left = None if left is None else left - row.rows
        yield row


def _staged(source: Source, item: Parsed) -> Cells:
    """One row of the staged table as far as parsing fills it; texts as UTF-8, so that they are encoded once."""
    row, record = item.row, item.record
    if record is not None and item.texts is not None:
        try:
            texts = [text.encode("utf-8") for text in item.texts.texts]
        except UnicodeEncodeError as error:
            detail = f"half a surrogate pair at {error.start}"
            return _staged(source, Parsed(row, item.content, reason="bad_bytes", detail=detail))
        return (
            row_hash(item), row.rows, None, None, None, texts, item.texts.roles,
            getattr(record, "kind", source.kind), record.domain or source.domain, record.license or source.license,
            row.file, row.position, record.title, record.upstream_id, hashlib.sha1(b"\n".join(texts)).hexdigest(),
            orjson.dumps(record.metadata).decode() if record.metadata else None, ",".join(record.repairs) or None,
        )  # fmt: skip
    return (
        row_hash(item), row.rows, item.reason, "parse", item.detail, [], "", source.kind, source.domain, source.license,
        row.file, row.position, None, None, hashlib.sha1(item.content).hexdigest(), None, None,
    )  # fmt: skip


def _parts(source: Source, parsed: Iterable[Parsed]) -> Iterator[list[Cells]]:
    """Rows by the part: of each only what its part needs is held."""
    held: list[Cells] = []
    weight = 0
    for item in parsed:
        held.append(_staged(source, item))
        weight += len(item.content)
        if len(held) >= staging.PART_ROWS or weight >= staging.PART_WEIGHT:
            yield held
            held, weight = [], 0
    if held:
        yield held


def _batch(cells: Sequence[Cells]) -> pa.RecordBatch:
    """The staged table of some rows; what later steps fill is null."""
    made = {field.name: column for field, column in zip(_NOW, zip(*cells, strict=True), strict=True)}
    arrays = [
        pa.nulls(len(cells), field.type)
        if field.name in _LATER
        else _lists(made[field.name])
        if field.name == "texts"
        else pa.array(made[field.name], field.type)
        for field in staging.STAGED
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=staging.STAGED)


def _lists(rows: Sequence[list[bytes]]) -> pa.ListArray:
    """Lists of texts from UTF-8; the buffers are laid out here, for Arrow would look through every text again."""
    texts = [text for row in rows for text in row]
    ends = pa.py_buffer(_ends(texts))
    flat = pa.StringArray.from_buffers(len(texts), ends, pa.py_buffer(b"".join(texts)))
    return pa.ListArray.from_arrays(pa.array(_ends(rows)), flat)


def _ends(items: Sequence[Sized]) -> npt.NDArray[np.int32]:
    """Offsets of Arrow: zero, then where each item ends."""
    offsets = np.zeros(len(items) + 1, np.int32)
    np.cumsum([len(item) for item in items], out=offsets[1:])
    return offsets


def stage_source(source: Source, split: Split, folder: Path, files: Sequence[str], out: Path, limit: int | None) -> int:
    """Stage all rows of a source into `out`, going on after the parts that are there; returns upstream rows read.

    `done` in `out` holds that number once everything is staged.
    """
    done = out / "done"
    if done.is_file():
        return int(done.read_text(encoding="utf-8"))
    read = 0
    rows = limited(source.reader.read(folder, files), limit)
    with telling(_Noted(out / NOTE)):
        for number, cells in enumerate(_parts(source, parse_rows(source, split, rows))):
            part = out / f"{number:06d}.arrow"
            if not part.is_file():
                staging.write_part(part, _batch(cells))
            read += sum(row[_ROWS] for row in cells)
            cells.clear()
    staging.write_text(done, str(read))
    return read


class _Noted:
    """Notes in a small file how many bytes of its files a source has read: whoever watches may be another process."""

    def __init__(self, note: Path) -> None:
        self._note = note
        self._read: dict[Path, int] = {}
        self._next = 0.0

    def __call__(self, path: Path, offset: int) -> None:
        self._read[path] = max(offset, self._read.get(path, 0))
        if time.monotonic() >= self._next:
            staging.write_text(self._note, str(sum(self._read.values())))
            self._next = time.monotonic() + EVERY


def bytes_read(out: Path, size: int) -> int:
    """How many bytes of its `size` a source has read that is staged into `out`."""
    if (out / "done").is_file():
        return size
    with contextlib.suppress(FileNotFoundError):
        return min(int((out / NOTE).read_text(encoding="utf-8")), size)
    return 0


@contextmanager
def watched(sizes: Mapping[Path, int], words: str, report: Callable[..., None]) -> Iterator[None]:
    """Report bytes read of all bytes, twice a second; `sizes` are those of the sources by the folder of their parts."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(EVERY):
            report(sum(bytes_read(out, size) for out, size in sizes.items()), sum(sizes.values()), words)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
