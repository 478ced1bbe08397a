"""Writing rows: new ones, some of those of other files, or all of them with one column changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from chimed.anyfile.kinds import kind_of
from chimed.anyfile.lines import as_lines, json_lines, lines, write_lines
from chimed.anyfile.rows import column_of, read_table, schema_of
from chimed.parquet import write_one

Mask = Sequence[bool] | npt.NDArray[np.bool_]
DROP = object()
"""What a `change` of `rewrite` returns for a row that is to go."""


def write_table(path: Path, batches: Iterable[pa.RecordBatch], schema: pa.Schema | None = None) -> int:
    """Write batches in the format of the file's ending, under a temporary name until all is written; returns the rows.

    `schema` is needed when there may be no batch at all.
    """
    kind = kind_of(path)
    if kind == "parquet":
        batches = iter(batches)
        first = next(batches, None) if schema is None else None
        schema = schema or (first.schema if first is not None else pa.schema([]))
        head = [] if first is None else [first]
        return write_one(path, (b for part in (head, batches) for b in part), schema).rows
    return write_lines(path, (as_lines(batch, kind == "text") for batch in batches))


def filter_rows(paths: Sequence[Path], keep: Mask, out: Path) -> int:
    """Write the rows whose place in `keep` is true, all columns in their order; lines of JSON stay byte for byte."""
    if _lines_to_lines(paths, out):
        return write_lines(out, _kept_lines(paths, keep))
    return write_table(out, _kept_batches(paths, keep), schema_of(paths))


def rewrite(paths: Sequence[Path], out: Path, column: str, change: Callable[[list[Any]], list[Any]]) -> int:
    """Write all rows with one column changed: `change` gets the values batch by batch, gives new ones or DROP.

    A JSON line whose value comes back as it went stays byte for byte.
    """
    if _lines_to_lines(paths, out):
        return write_lines(out, _changed_lines(paths, column, change))
    schema = schema_of(paths)
    column_of(schema, column, paths)
    return write_table(out, (_changed(batch, column, change) for batch in read_table(paths)), schema)


def _lines_to_lines(paths: Sequence[Path], out: Path) -> bool:
    return kind_of(out) == "jsonl" and all(kind_of(path) == "jsonl" for path in paths)


def _kept_lines(paths: Sequence[Path], keep: Mask) -> Iterator[list[bytes]]:
    row = 0
    for _, found in chain.from_iterable(map(lines, paths)):
        full = [line for line in found if line.strip()]
        yield [line for line, kept in zip(full, keep[row : row + len(full)], strict=True) if kept]
        row += len(full)


def _kept_batches(paths: Sequence[Path], keep: Mask) -> Iterator[pa.RecordBatch]:
    row = 0
    for batch in read_table(paths):
        yield batch.filter(pa.array(keep[row : row + batch.num_rows], pa.bool_()))
        row += batch.num_rows


def _changed_lines(
    paths: Sequence[Path], column: str, change: Callable[[list[Any]], list[Any]]
) -> Iterator[list[bytes]]:
    for found, rows in chain.from_iterable(map(json_lines, paths)):
        new = change([row.get(column) for row in rows])
        yield [
            line if value == row.get(column) else orjson.dumps(row | {column: value})
            for line, row, value in zip(found, rows, new, strict=True)
            if value is not DROP
        ]


def _changed(batch: pa.RecordBatch, column: str, change: Callable[[list[Any]], list[Any]]) -> pa.RecordBatch:
    new = change(batch.column(column).to_pylist())
    kept = pa.array([value is not DROP for value in new])
    place = batch.schema.get_field_index(column)
    values = pa.array([None if value is DROP else value for value in new], batch.schema.field(place).type)
    return batch.set_column(place, batch.schema.field(place), values).filter(kept)
