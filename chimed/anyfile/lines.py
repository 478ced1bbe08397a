"""Lines as rows: JSON Lines and plain text, read some megabytes at a time, written under a temporary name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from chimed import parquet
from chimed.errors import DataError

BATCH_BYTES = 8 * 2**20


def lines(path: Path) -> Iterator[tuple[int, list[bytes]]]:
    """Non-empty lines without their line ends, some megabytes at a time, with the number of the first."""
    held: list[bytes] = []
    size, first = 0, 1
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            held.append(line.rstrip(b"\r\n"))
            size += len(line)
            if size >= BATCH_BYTES:
                yield first, held
                held, size, first = [], 0, number + 1
    if held:
        yield first, held


def json_rows(path: Path) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """The objects of a JSON Lines file. Raises DataError with the line that is none."""
    for first, found in lines(path):
        yield first, _objects(path, first, found)


def json_lines(path: Path) -> Iterator[tuple[list[bytes], list[dict[str, Any]]]]:
    """The lines of a JSON Lines file beside their objects. Raises DataError with the line that is none."""
    for first, found in lines(path):
        yield [line for line in found if line.strip()], _objects(path, first, found)


def _objects(path: Path, first: int, found: list[bytes]) -> list[dict[str, Any]]:
    return [_object(line, f"{path}, line {first + i}") for i, line in enumerate(found) if line.strip()]


def _object(line: bytes, where: str) -> dict[str, Any]:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise DataError(f"{where}: not JSON: {error}. Each line is to be one object.") from None
    if not isinstance(value, dict):
        raise DataError(f"{where}: a JSON {type(value).__name__}, not an object. Each line is to be one object.")
    return value


def text_rows(path: Path) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """The lines of a plain text as rows with one field. Raises DataError where they are not UTF-8."""
    for first, found in lines(path):
        try:
            yield first, [{"text": line.decode("utf-8")} for line in found]
        except UnicodeDecodeError as error:
            raise DataError(f"{path}, lines from {first}: not UTF-8: {error}.") from None


def as_lines(batch: pa.RecordBatch, plain: bool) -> list[bytes]:
    """The rows of a batch as JSON objects, or as plain lines (then it may have the column `text` only)."""
    if plain:
        if batch.schema.names != ["text"]:
            raise DataError(
                f"a .txt file has no place for the columns {batch.schema.names}. Write to .jsonl or .parquet."
            )
        return [(value or "").encode() for value in batch.column(0).to_pylist()]
    return [orjson.dumps(row, default=str) for row in batch.to_pylist()]


def write_lines(path: Path, chunks: Iterable[list[bytes]]) -> int:
    """Write lines; the file has its name only when it is whole. Returns the number of lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = 0
    with parquet.under_its_name_when_whole(path) as part, open(part, "wb") as file:
        for chunk in chunks:
            rows += len(chunk)
            file.write(b"".join(line + b"\n" for line in chunk))
    return rows
