"""Rows on their way: Arrow files between the steps of a build, one part of some thousand rows at a time.

A part is written under a temporary name and renamed, so a part that exists is whole. Every row that was read stays in
its part to the end, with the reason once it is lost: that is what makes the ledger close.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

PART_ROWS = 16_000
PART_WEIGHT = 16 * 2**20

STAGED = pa.schema([
    ("hash", pa.uint64()),            # of the upstream row, or of what joined rows share
    ("rows", pa.int32()),             # upstream rows it stands for
    ("reason", pa.string()),          # null while the row lives
    ("step", pa.string()),            # which step lost it
    ("detail", pa.string()),          # evidence, for people
    ("texts", pa.list_(pa.string())),
    ("roles", pa.string()),           # one letter per text, see formatter
    ("kind", pa.string()),
    ("domain", pa.string()),
    ("license", pa.string()),
    ("file", pa.string()),
    ("position", pa.int64()),
    ("title", pa.string()),
    ("upstream_id", pa.string()),
    ("text_sha1", pa.string()),
    ("metadata", pa.string()),        # JSON object
    ("repairs", pa.string()),         # comma-separated names, as the three below
    ("cleaned", pa.string()),
    ("masked", pa.string()),          # JSON object of counts by type
    ("flags", pa.string()),
])  # fmt: skip

_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


def digest(*parts: Any) -> str:
    """A short key of settings and input hashes; equal parts give equal keys on every machine."""
    import orjson

    text = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return hashlib.blake2b(text, digest_size=12).hexdigest()


def write_part(path: Path, table: pa.Table | pa.RecordBatch) -> None:
    """Write one part whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, table.schema, options=_OPTIONS) as writer:
        writer.write(table)
    temporary.replace(path)


def read_part(path: Path, columns: list[str] | None = None) -> pa.RecordBatch:
    """One part as one batch, with the named columns or all."""
    options = None
    with pa.memory_map(str(path)) as source:
        if columns is not None:
            with pa.ipc.open_file(source) as file:
                options = pa.ipc.IpcReadOptions(included_fields=sorted(file.schema.get_field_index(c) for c in columns))
        with pa.ipc.open_file(source, options=options) as file:
            return file.get_batch(0)


def parts_in(folder: Path) -> list[Path]:
    """The parts of one source in input order."""
    return sorted(folder.glob("[0-9]*.arrow"))


def read_parts(parts: list[Path], columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Part after part."""
    for part in parts:
        yield read_part(part, columns)


def write_text(path: Path, text: str) -> None:
    """Write a small text file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
