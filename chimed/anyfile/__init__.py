"""Anyone's file as a table: JSON Lines, Parquet and plain text (a row is a line, its column is `text`).

Rows come in the order of the files and of the rows in them. Reading is streaming: what is held is one batch (about
8 MB of text, or one row where that is larger). Written files appear under their name only when they are complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from chimed.anyfile.lines import as_lines, json_rows, lines, text_rows, write_lines
from chimed.anyfile.tables import fit, opened, parquet_batches
from chimed.errors import DataError
from chimed.parquet import write_one

Kind = Literal["jsonl", "parquet", "text"]
KINDS: dict[str, Kind] = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".parquet": "parquet", ".pq": "parquet", ".txt": "text",
}  # fmt: skip
Mask = Sequence[bool] | npt.NDArray[np.bool_]
DROP = object()
"""What a `change` of `rewrite` returns for a row that is to go."""


def kind_of(path: Path) -> Kind:
    """The format that a file name says. Raises DataError for an ending that is not known."""
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise DataError(f"{path}: the ending {path.suffix!r} is not known. Known are: {', '.join(KINDS)}.")
    return kind


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
    wanted = schema if columns is None else pa.schema([_field(schema, name, paths) for name in columns])
    for path in paths:
        yield from _batches(path, wanted)


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
    _field(schema, column, paths)
    return write_table(out, (_changed(batch, column, change) for batch in read_table(paths)), schema)


def _ids(ids: pa.Array, row: int) -> pa.Array:
    """Ids as strings; the row number where there is none."""
    ids = ids.cast(pa.string()).fill_null("")
    return pc.if_else(pc.equal(ids, ""), pa.array(np.arange(row, row + len(ids))).cast(pa.string()), ids)


def _field(schema: pa.Schema, name: str, paths: Sequence[Path]) -> pa.Field:
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


def _lines_to_lines(paths: Sequence[Path], out: Path) -> bool:
    return kind_of(out) == "jsonl" and all(kind_of(path) == "jsonl" for path in paths)


def _json_lines(paths: Sequence[Path]) -> Iterator[list[bytes]]:
    for path in paths:
        for _, found in lines(path):
            yield [line for line in found if line.strip()]


def _kept_lines(paths: Sequence[Path], keep: Mask) -> Iterator[list[bytes]]:
    row = 0
    for found in _json_lines(paths):
        yield [line for line, kept in zip(found, keep[row : row + len(found)], strict=True) if kept]
        row += len(found)


def _kept_batches(paths: Sequence[Path], keep: Mask) -> Iterator[pa.RecordBatch]:
    row = 0
    for batch in read_table(paths):
        yield batch.filter(pa.array(keep[row : row + batch.num_rows], pa.bool_()))
        row += batch.num_rows


def _changed_lines(
    paths: Sequence[Path], column: str, change: Callable[[list[Any]], list[Any]]
) -> Iterator[list[bytes]]:
    for found in _json_lines(paths):
        rows = [orjson.loads(line) for line in found]
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
