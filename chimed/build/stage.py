"""First step of a build: the rows of a source become staged texts, part by part, in bounded memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from chimed import staging
from chimed.build.parse import Parsed, parse_rows, row_digest
from chimed.build.reading import noted
from chimed.records import Split
from chimed.source import BadRow, Row, Source

Cells = tuple[Any, ...]
_BUFFERS = ("hash", "texts", "text_sha1")
_LATER = ("cleaned", "masked", "flags")
_CELLS = [field for field in staging.STAGED if field.name not in (*_BUFFERS, *_LATER)]


def limited(rows: Iterable[Row | BadRow], limit: int | None) -> Iterable[Row | BadRow]:
    """Rows that together stand for at most `limit` upstream rows; of joined ones as much as still fits."""
    return rows if limit is None else _limited(rows, limit)


def _limited(rows: Iterable[Row | BadRow], left: int) -> Iterator[Row | BadRow]:
    for row in rows:
        if row.rows > left:
            if left and isinstance(row, Row) and isinstance(row.value, str | list):
                lines = row.value if isinstance(row.value, list) else row.value.split("\n")
                value = lines[:left] if isinstance(row.value, list) else "\n".join(lines[:left])
                yield row._replace(value=value, rows=left)
            return
        left -= row.rows
        yield row


class _Part:
    """The rows of one part while they are read.

    Texts and hashes go into the buffers of their columns at once: the objects of a row are forgotten before the next
    one is read, which keeps to the memory that the processor has at hand.
    """

    def __init__(self, source: Source) -> None:
        self.source, self.weight, self.read = source, 0, 0
        self.texts, self.hashes, self.sha1 = bytearray(), bytearray(), bytearray()
        self.lengths: list[int] = []
        self.counts: list[int] = []
        self.cells: list[Cells] = []

    def add(self, item: Parsed) -> None:
        """Take one row as far as parsing fills it."""
        row, record = item.row, item.record
        self.weight += len(item.content)
        self.read += row.rows
        self.hashes += row_digest(item)
        if record is None or item.texts is None:
            self._lost(row, item.content, item.reason, item.detail)
            return
        try:
            texts = [text.encode("utf-8") for text in item.texts.texts]
        except UnicodeEncodeError as error:
            self._lost(row, item.content, "bad_bytes", f"half a surrogate pair at {error.start}")
            return
        for text in texts:
            self.texts += text
            self.lengths.append(len(text))
        self.counts.append(len(texts))
        self.sha1 += hashlib.sha1(b"\n".join(texts)).digest()
        source, metadata = self.source, record.metadata
        self.cells.append((
            row.rows, None, None, None, item.texts.roles, getattr(record, "kind", source.kind),
            record.domain or source.domain, record.license or source.license, row.file, row.position, record.title,
            record.upstream_id, orjson.dumps(metadata).decode() if metadata else None,
            ",".join(record.repairs) or None,
        ))  # fmt: skip

    def _lost(self, row: Row | BadRow, content: bytes, reason: str | None, detail: str | None) -> None:
        source = self.source
        self.counts.append(0)
        self.sha1 += hashlib.sha1(content).digest()
        self.cells.append((
            row.rows, reason, "parse", detail, "", source.kind, source.domain, source.license, row.file, row.position,
            None, None, None, None,
        ))  # fmt: skip

    def batch(self) -> pa.RecordBatch:
        """The staged table; what later steps fill is null."""
        size = len(self.counts)
        columns = zip(_CELLS, zip(*self.cells, strict=True), strict=True)
        made = {field.name: _column(cells, field.type) for field, cells in columns}
        made["hash"] = pa.array(np.frombuffer(self.hashes, ">u8").astype(np.uint64))
        made["text_sha1"] = _strings(np.full(size, 40), self.sha1.hex().encode("ascii"))
        texts = _strings(self.lengths, self.texts)
        made["texts"] = pa.ListArray.from_arrays(pa.array(_ends(self.counts)), texts)
        arrays = [made.get(field.name, pa.nulls(size, field.type)) for field in staging.STAGED]
        return pa.RecordBatch.from_arrays(arrays, schema=staging.STAGED)


def _column(cells: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """A column of cells; most columns hold one value, often null, in all rows of a part."""
    if cells.count(cells[0]) == len(cells):
        return pa.repeat(pa.scalar(cells[0], kind), len(cells))
    return pa.array(cells, kind)


def _strings(lengths: Sequence[int] | npt.NDArray[np.int64], data: bytes | bytearray) -> pa.StringArray:
    """Texts from their UTF-8 on end; the buffers are laid out here, for Arrow would look through every text again."""
    return pa.StringArray.from_buffers(len(lengths), pa.py_buffer(_ends(lengths)), pa.py_buffer(data))


def _ends(lengths: Sequence[int] | npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Offsets of Arrow: zero, then where each item ends."""
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def _parts(source: Source, parsed: Iterable[Parsed]) -> Iterator[_Part]:
    """Rows by the part: of each only what its part needs is held."""
    part = _Part(source)
    for item in parsed:
        part.add(item)
        if len(part.counts) >= staging.PART_ROWS or part.weight >= staging.PART_WEIGHT:
            yield part
            part = _Part(source)
    if part.counts:
        yield part


def stage_source(source: Source, split: Split, folder: Path, files: Sequence[str], out: Path, limit: int | None) -> int:
    """Stage all rows of a source into `out`, going on after the parts that are there; returns upstream rows read.

    `done` in `out` holds that number once everything is staged.
    """
    done = out / "done"
    if done.is_file():
        return int(done.read_text(encoding="utf-8"))
    read = 0
    rows = limited(source.reader.read(folder, files), limit)
    with noted(out):
        for number, part in enumerate(_parts(source, parse_rows(source, split, rows))):
            path = out / f"{number:06d}.arrow"
            if not path.is_file():
                staging.write_part(path, part.batch())
            read += part.read
            del part  # before the next one fills
    staging.write_text(done, str(read))
    return read
