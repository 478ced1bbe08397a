"""Parquet as batches of bounded size under a common schema."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from chimed.anyfile.lines import BATCH_BYTES
from chimed.errors import DataError


@contextmanager
def opened(path: Path) -> Iterator[pq.ParquetFile]:
    """The opened file; whatever is wrong with its bytes is one DataError."""
    try:
        with open(path, "rb") as raw, pq.ParquetFile(raw, pre_buffer=False) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise DataError(f"{path}: not a readable Parquet file: {str(error).splitlines()[0]}") from None


def parquet_batches(path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Some columns (those that the file has), in batches of some megabytes."""
    with opened(path) as file:
        present = [name for name in columns if name in file.schema_arrow.names]
        for group in range(file.num_row_groups):
            meta = file.metadata.row_group(group)
            rows = BATCH_BYTES * meta.num_rows // max(1, meta.total_byte_size)
            yield from file.iter_batches(
                max(1, min(8192, rows)), row_groups=[group], columns=present, use_threads=False
            )


def fit(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch under the common schema; a column that its file lacks is null."""
    columns = [
        batch.column(field.name).cast(field.type)
        if field.name in batch.schema.names
        else pa.nulls(batch.num_rows, field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
