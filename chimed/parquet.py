"""Deterministic Parquet: the same rows give the same bytes, however they arrive in batches.

Format 2.6, data page 1.0, zstd level 3, page index, content-defined chunking as the datasets library sets it (so that a
changed row re-uploads little). Bytes are stable per pyarrow version; `content_sha256`, over the values of the row
groups column by column, is stable beyond it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from chimed.errors import DataError
from chimed.records import Split

SHARD_BYTES = 240 * 2**20
GROUP_BYTES = 80 * 2**20
CHUNKING = {"min_chunk_size": 256 * 1024, "max_chunk_size": 1024 * 1024, "norm_level": 0}

_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
_COLUMNS: dict[Split, list[tuple[str, pa.DataType]]] = {
    "cpt": [(name, pa.string()) for name in ("id", "text", "source", "domain", "kind", "license")],
    "sft": [
        ("id", pa.string()),
        ("messages", _MESSAGES),
        *((name, pa.string()) for name in ("source", "domain", "rounds", "license")),
    ],
    "dpo": [
        ("id", pa.string()),
        *((name, _MESSAGES) for name in ("prompt", "chosen", "rejected")),
        *((name, pa.string()) for name in ("source", "domain", "license")),
    ],
}


def _feature(kind: pa.DataType) -> dict[str, Any]:
    """The datasets library's description of a column type."""
    if pa.types.is_list(kind):
        inner = (
            {f.name: _feature(f.type) for f in kind.value_type}
            if pa.types.is_struct(kind.value_type)
            else _feature(kind.value_type)
        )
        return {"feature": inner, "_type": "List"}
    return {"dtype": str(kind), "_type": "Value"}


def with_features(schema: pa.Schema) -> pa.Schema:
    """The schema with the metadata by which the datasets library restores its features."""
    features = {field.name: _feature(field.type) for field in schema}
    info = json.dumps({"info": {"features": features}}, sort_keys=True, ensure_ascii=False)
    return schema.with_metadata({"huggingface": info})


def published_schema(split: Split) -> pa.Schema:
    """Arrow schema of the published rows of a split."""
    return with_features(pa.schema(_COLUMNS[split]))


@dataclass(frozen=True)
class Shard:
    """A written file: name, rows, size and checksums (of the bytes, and of the values)."""

    path: Path
    rows: int
    bytes: int
    sha256: str
    content_sha256: str


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, read in blocks."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def _content(array: pa.Array, digest: Any) -> None:
    """Feed the values of an array to a digest: list and text lengths, then bytes, depth first."""
    if pa.types.is_struct(array.type):
        for child in array.flatten():
            _content(child, digest)
        return
    lengths = pc.list_value_length if pa.types.is_list(array.type) else pc.binary_length
    digest.update(pc.fill_null(lengths(array), -1).to_numpy(zero_copy_only=False).astype("<i8").tobytes())
    if pa.types.is_list(array.type):
        _content(array.flatten(), digest)
        return
    _, offsets, data = array.buffers()
    edges = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    digest.update(memoryview(data)[edges[0] : edges[-1]] if data is not None and len(edges) else b"")


class _Open:
    """One shard while it is written, under a temporary name."""

    def __init__(self, path: Path, schema: pa.Schema, content: bool) -> None:
        self.path, self.rows, self.filled = path, 0, 0
        self.digest = hashlib.sha256() if content else None
        self.writer = pq.ParquetWriter(
            path, schema, version="2.6", data_page_version="1.0", compression="zstd", compression_level=3,
            write_page_index=True, use_content_defined_chunking=CHUNKING,
        )  # fmt: skip

    def write(self, table: pa.Table, size: int) -> None:
        table = table.combine_chunks()
        if self.digest is not None:
            for column in table.columns:
                for chunk in column.chunks:
                    _content(chunk, self.digest)
        self.writer.write_table(table, row_group_size=max(1, table.num_rows))
        self.rows += table.num_rows
        self.filled += size

    def close(self) -> Shard:
        self.writer.close()
        digest = self.digest.hexdigest() if self.digest is not None else ""
        return Shard(self.path, self.rows, self.path.stat().st_size, sha256_of(self.path), digest)


def _groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema, limit: int) -> Iterator[tuple[pa.Table, int]]:
    """Row groups of about `limit` uncompressed bytes, cut by content alone, never by how batches arrive."""
    held: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        filled = np.cumsum(_row_bytes(batch))
        start = before = 0
        while (end := int(np.searchsorted(filled, limit - size + before))) < batch.num_rows:
            held.append(batch.slice(start, end + 1 - start))
            size += int(filled[end]) - before
            yield pa.Table.from_batches(held).cast(schema), size
            held, size, start, before = [], 0, end + 1, int(filled[end])
        if start < batch.num_rows:
            held.append(batch.slice(start))
            size += int(filled[-1]) - before
    if held:
        yield pa.Table.from_batches(held).cast(schema), size


def _row_bytes(batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
    """Bytes of text per row: all string leaves, in whatever nesting."""
    total = np.full(batch.num_rows, 16, dtype=np.int64)
    for column in batch.columns:
        total += _leaf_bytes(column)
    return total


def _leaf_bytes(array: pa.Array) -> Any:
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type) or pa.types.is_binary(array.type):
        return pc.fill_null(pc.binary_length(array), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    if pa.types.is_struct(array.type):
        return sum((_leaf_bytes(child) for child in array.flatten()), np.zeros(len(array), dtype=np.int64))
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        inner = np.concatenate([[0], np.cumsum(_leaf_bytes(array.flatten()))])
        counts = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False).astype(np.int64)
        ends = np.cumsum(counts)
        return inner[ends] - inner[ends - counts]
    return np.full(len(array), 8, dtype=np.int64)


def write_shards(
    folder: Path, stem: str, batches: Iterable[pa.RecordBatch], schema: pa.Schema, *, content: bool = True
) -> list[Shard]:
    """Write batches as `stem-00000-of-00003.parquet` … into `folder`; returns the shards in order (none if no row).

    Peak memory is about one row group (80 MB of text) above the batches.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shards: list[Shard] = []
    current: _Open | None = None
    for table, size in _groups(batches, schema, GROUP_BYTES):
        if current is None:
            current = _Open(folder / f"{stem}-{len(shards):05d}.parquet.part", schema, content)
        current.write(table, size)
        if current.filled >= SHARD_BYTES:
            shards.append(current.close())
            current = None
    if current is not None:
        shards.append(current.close())
    return [_rename(shard, folder / f"{stem}-{i:05d}-of-{len(shards):05d}.parquet") for i, shard in enumerate(shards)]


def write_one(path: Path, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Shard:
    """Write one Parquet file (written even without rows), atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with under_its_name_when_whole(path) as part:
        opened = _Open(part, schema, content=False)
        for table, size in _groups(batches, schema, GROUP_BYTES):
            opened.write(table, size)
        shard = opened.close()
    return replace(shard, path=path)


@contextmanager
def under_its_name_when_whole(path: Path) -> Iterator[Path]:
    """A temporary name to write to, which becomes `path` at the end; where the writing fails, nothing stays behind."""
    part = path.with_name(path.name + ".part")
    try:
        yield part
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _rename(shard: Shard, path: Path) -> Shard:
    shard.path.replace(path)
    return replace(shard, path=path)


def read_batches(path: Path, columns: list[str] | None = None, rows: int = 8192) -> Iterator[pa.RecordBatch]:
    """The batches of one file in order, one row group in memory; DataError where it is missing or damaged."""
    with _sound(path), pq.ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(rows, columns=columns, use_threads=False):
            batch.validate(full=True)  # pages have no checksum: damage may decode to what is no text
            yield batch


def read_schema(path: Path) -> pa.Schema:
    """The columns of one file and what it says of itself. Raises DataError where it is damaged."""
    with _sound(path):
        return pq.read_schema(path)


def count_rows(path: Path) -> int:
    """The rows of one file, from its footer. Raises DataError where it is damaged."""
    with _sound(path):
        return int(pq.read_metadata(path).num_rows)


@contextmanager
def _sound(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno:  # no file, a closed one, a failing disk: not its bytes' fault
            raise DataError(f"{path}: {os.strerror(error.errno)}.") from None
        words = str(error).splitlines()[0].rstrip(".")
        raise DataError(f"{path}: damaged: {words}. Copy it again or rebuild.") from error
