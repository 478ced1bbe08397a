"""First step of a build: upstream rows become staged texts, source by source, in bounded memory."""

from __future__ import annotations

import gc
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from chimed import staging
from chimed.formatter import Texts, texts_of
from chimed.records import Record, Split
from chimed.source import BadRow, Row, Skip, Source

# What a parse that meets a row of another shape may raise; the row is lost, the build goes on.
UNEXPECTED = (KeyError, TypeError, AttributeError, IndexError, ValueError)


@dataclass(frozen=True)
class Parsed:
    """What became of one upstream row: a record and its texts, or a reason; `content` is the row as bytes."""

    row: Row | BadRow
    content: bytes
    record: Record | None = None
    texts: Texts | None = None
    reason: str | None = None
    detail: str | None = None


def parse_rows(source: Source, split: Split, rows: Iterable[Row | BadRow]) -> Iterator[Parsed]:
    """Parse and format each row; rows whose kind has no form in the split are passed over (chimed_release)."""
    for row in rows:
        if isinstance(row, BadRow):
            yield Parsed(row, row.raw, reason=row.reason, detail=row.detail)
            continue
        content = content_of(row)
        try:
            record = source.parse(row)
            texts = texts_of(record, split)
            if texts is not None:
                yield Parsed(row, content, record, texts)
        except Skip as skip:
            yield Parsed(row, content, reason=skip.reason, detail=skip.detail or None)
        except UNEXPECTED as error:
            yield Parsed(row, content, reason="wrong_shape", detail=f"{type(error).__name__}: {str(error)[:200]}")


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


def content_of(row: Row) -> bytes:
    """The upstream row itself as bytes: text as it is, anything else as canonical JSON."""
    if isinstance(row.value, str):
        return row.value.encode("utf-8", "backslashreplace")
    return _canonical(row.value)


def row_hash(item: Parsed) -> int:
    """64 bits of the upstream row itself (of the shared key where rows are joined)."""
    key = item.row.key if isinstance(item.row, Row) else None
    content = item.content if key is None else key.encode("utf-8", "backslashreplace")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest())


def _canonical(value: Any) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    except TypeError:  # lone surrogates, integers beyond 64 bits
        return json.dumps(value, sort_keys=True, default=repr).encode("ascii")


def _parts(parsed: Iterable[Parsed]) -> Iterator[list[Parsed]]:
    held: list[Parsed] = []
    weight = 0
    for item in parsed:
        held.append(item)
        weight += len(item.content)
        if len(held) >= staging.PART_ROWS or weight >= staging.PART_WEIGHT:
            yield held
            held, weight = [], 0
    if held:
        yield held


def _staged(source: Source, item: Parsed) -> tuple[Any, ...]:
    """One row of the staged table, in the order of its schema."""
    row, record = item.row, item.record
    if record is not None and item.texts is not None:
        try:
            sha1 = hashlib.sha1("\n".join(item.texts.texts).encode("utf-8")).hexdigest()
        except UnicodeEncodeError as error:
            detail = f"half a surrogate pair at {error.start}"
            return _staged(source, Parsed(row, item.content, reason="bad_bytes", detail=detail))
        return (
            row_hash(item), row.rows, None, None, None, item.texts.texts, item.texts.roles,
            getattr(record, "kind", source.kind), record.domain or source.domain, record.license or source.license,
            row.file, row.position, record.title, record.upstream_id, sha1,
            orjson.dumps(record.metadata).decode() if record.metadata else None,
            ",".join(record.repairs) or None, None, None, None,
        )  # fmt: skip
    return (
        row_hash(item), row.rows, item.reason, "parse", item.detail, (), "", source.kind, source.domain, source.license,
        row.file, row.position, None, None, hashlib.sha1(item.content).hexdigest(), None, None, None, None, None,
    )  # fmt: skip


def stage_batch(source: Source, items: Sequence[Parsed]) -> pa.RecordBatch:
    """The staged table of some parsed rows."""
    columns = zip(*(_staged(source, item) for item in items), strict=True)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, staging.STAGED, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=staging.STAGED)


def stage_source(
    source: Source, split: Split, folder: Path, files: Sequence[str], out: Path, limit: int | None,
    report: Callable[[int], None] = lambda rows: None,
) -> int:  # fmt: skip
    """Stage all rows of a source into `out`, going on after the parts that are there; returns upstream rows read.

    `done` in `out` holds that number once everything is staged.
    """
    done = out / "done"
    if done.is_file():
        return int(done.read_text(encoding="utf-8"))
    read = 0
    rows = limited(source.reader.read(folder, files), limit)
    for number, items in enumerate(_parts(parse_rows(source, split, rows))):
        part = out / f"{number:06d}.arrow"
        if not part.is_file():
            staging.write_part(part, stage_batch(source, items))
        read += sum(item.row.rows for item in items)
        report(read)
        items.clear()
        gc.collect()
    staging.write_text(done, str(read))
    return read
