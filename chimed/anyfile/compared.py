"""The compared texts of anyone's files, and the ids of their rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from chimed.anyfile.kinds import kind_of
from chimed.anyfile.lines import json_rows, text_rows
from chimed.anyfile.rows import read_table, schema_of
from chimed.anyfile.tables import parquet_batches
from chimed.errors import DataError


def texts(values: pa.Array, column: str) -> pa.Array:
    """A column as compared text (large_string, no nulls): strings as they are, lists of messages joined by a newline.

    A null is an empty text. Raises DataError for any other type.
    """
    kind = values.type
    if pa.types.is_dictionary(kind):
        return texts(values.dictionary_decode(), column)
    if pa.types.is_null(kind):
        return pa.array([""] * len(values), pa.large_string())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return values.cast(pa.large_string()).fill_null("")
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.array([joined(value, column) for value in values.to_pylist()], pa.large_string())
    raise DataError(f"column {column!r} holds {kind}, not text. Name another with --column.")


def joined(value: Any, column: str) -> str:
    """One value as compared text: a string, nothing, or a list of strings or of messages with `content` or `value`."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(joined(_content(item), column) for item in value)
    raise DataError(f"column {column!r} holds {value!r:.40}, which is not text. Name another with --column.")


def _content(item: Any) -> Any:
    return item.get("content", item.get("value")) if isinstance(item, dict) else item


def read_texts(paths: Sequence[Path], column: str) -> Iterator[pa.RecordBatch]:
    """Ids and compared texts: columns `id` (the file's own `id`, else the row number from 0) and `text`.

    Raises DataError where no row of the files has the column.
    """
    row, found = 0, False
    for path in paths:
        for batch in _pairs(path, column):
            yield pa.record_batch({"id": _ids(batch.column("id"), row), "text": texts(batch.column("text"), column)})
            found |= batch.column("text").null_count < batch.num_rows
            row += batch.num_rows
    if row and not found:
        names = schema_of(paths).names
        if column not in names:
            raise DataError(f"{paths[0]}: no column {column!r}. It has: {', '.join(names)}. Name one with --column.")


def read_ids(paths: Sequence[Path]) -> Iterator[pa.Array]:
    """The ids that `read_texts` gives, alone."""
    row = 0
    for path in paths:
        for batch in _pairs(path, None):
            yield _ids(batch.column("id"), row)
            row += batch.num_rows


def require_text(paths: Sequence[Path], column: str) -> None:
    """Raise DataError unless the column holds plain texts, which may be changed."""
    for batch in read_table(paths, [column]):
        kind = batch.schema.field(0).type
        if not any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_null)):
            raise DataError(f"{paths[0]}: column {column!r} holds {kind}; only plain texts can be cut or changed.")
        return


def _ids(ids: pa.Array, row: int) -> pa.Array:
    """Ids as strings; the row number where there is none."""
    ids = ids.cast(pa.string()).fill_null("")
    return pc.if_else(pc.equal(ids, ""), pa.array(np.arange(row, row + len(ids))).cast(pa.string()), ids)


def _pairs(path: Path, column: str | None) -> Iterator[pa.RecordBatch]:
    """Columns `id` and `text` of one file, null where it has none (no text at all without a column)."""
    if kind_of(path) == "parquet":
        for batch in parquet_batches(path, list(dict.fromkeys(["id", column or "id"]))):
            null = pa.nulls(batch.num_rows, pa.string())
            held = {name: batch.column(name) for name in batch.schema.names}
            yield pa.record_batch({"id": held.get("id", null), "text": held.get(column or "", null)})
        return
    for first, rows in json_rows(path) if kind_of(path) == "jsonl" else text_rows(path):
        ids = [None if (v := row.get("id")) is None else str(v) for row in rows]
        values = [row.get(column) if column else None for row in rows]
        try:
            plain = [None if v is None else joined(v, column or "") for v in values]
        except DataError as error:
            raise DataError(f"{path}, lines from {first}: {error}") from None
        yield pa.record_batch({"id": pa.array(ids, pa.string()), "text": pa.array(plain, pa.large_string())})
