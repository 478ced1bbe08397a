"""Rows of anyone's files, all columns under one schema."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from chimed.anyfile.kinds import kind_of
from chimed.anyfile.lines import json_rows, text_rows
from chimed.anyfile.tables import fit, opened, parquet_batches
from chimed.errors import DataError


def schema_of(paths: Sequence[Path]) -> pa.Schema:
    """One schema for all files (JSON Lines are read once for it). Raises DataError where columns contradict."""
    schemas = [_schema(path) for path in paths]
    try:
        unified = pa.unify_schemas([s.remove_metadata() for s in schemas], promote_options="permissive")
    except pa.ArrowException as error:
        names = ", ".join(str(p) for p in paths)
        raise DataError(f"{names}: {error}. Columns of one name must be of one type in all files.") from None
    # Arrow's selection kernels do not know string views.
    fields = [f.with_type(pa.large_string()) if pa.types.is_string_view(f.type) else f for f in unified]
    return pa.schema(fields)


def read_table(paths: Sequence[Path], columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """All rows of the files under one schema, or some of their columns.

    Raises DataError for a missing, unreadable or corrupt file, a line that is no JSON object, an absent column.
    """
    schema = schema_of(paths)
    wanted = schema if columns is None else pa.schema([column_of(schema, name, paths) for name in columns])
    for path in paths:
        yield from _batches(path, wanted)


def column_of(schema: pa.Schema, name: str, paths: Sequence[Path]) -> pa.Field:
    """The column of this name. Raises DataError where the files have none such."""
    if not schema.names:  # no file has a row
        return pa.field(name, pa.null())
    if name not in schema.names:
        raise DataError(f"{paths[0]}: no column {name!r}. It has: {', '.join(schema.names)}. Name one with --column.")
    return schema.field(name)


def _schema(path: Path) -> pa.Schema:
    kind = kind_of(path)
    if kind == "text":
        return pa.schema([("text", pa.string())])
    if kind == "parquet":
        with opened(path) as file:
            return file.schema_arrow
    found = pa.schema([])
    for first, rows in json_rows(path):
        if not rows:
            continue
        try:
            found = pa.unify_schemas([found, pa.schema(list(pa.array(rows).type))], promote_options="permissive")
        except pa.ArrowException as error:
            raise DataError(f"{path}, lines from {first}: {error}. A column must hold one type of value.") from None
    return found


def _batches(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    kind = kind_of(path)
    if kind == "parquet":
        yield from (fit(batch, schema) for batch in parquet_batches(path, schema.names))
        return
    rows = json_rows(path) if kind == "jsonl" else text_rows(path)
    for _, values in rows:
        named = [{name: value.get(name) for name in schema.names} for value in values]
        yield pa.RecordBatch.from_struct_array(pa.array(named, pa.struct(list(schema))))
