"""Upstream rows one by one: parsed, formatted, or lost with a reason; and the bytes that a row's address hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import orjson

from chimed.formatter import Texts, texts_of
from chimed.records import Record, Split
from chimed.source import BadRow, Row, Skip, Source

# What a parse that meets a row of another shape may raise; the row is lost, the build goes on.
UNEXPECTED = (KeyError, TypeError, AttributeError, IndexError, ValueError)


class Parsed(NamedTuple):
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


def content_of(row: Row) -> bytes:
    """The upstream row itself as bytes: text as it is, anything else as canonical JSON."""
    if isinstance(row.value, str):
        return row.value.encode("utf-8", "backslashreplace")
    return _canonical(row.value)


def row_digest(item: Parsed) -> bytes:
    """64 bits of the upstream row itself (of the shared key where rows are joined), the highest byte first."""
    key = item.row.key if isinstance(item.row, Row) else None
    content = item.content if key is None else key.encode("utf-8", "backslashreplace")
    return hashlib.blake2b(content, digest_size=8).digest()


def _canonical(value: Any) -> bytes:
    """JSON with its keys in order."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    except TypeError:  # lone surrogates, integers beyond 64 bits
        return json.dumps(value, sort_keys=True, default=repr).encode("ascii")
