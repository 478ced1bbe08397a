"""JSON as it comes: an array, JSON Lines, or one object; told apart by content, never by the file's ending."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import orjson

from chimed.readers import files as on_disk
from chimed.readers.files import FileReader
from chimed.readers.json_array import Elements, Piece, fault_of_bytes, parses
from chimed.readers.json_nest import members, whole
from chimed.readers.json_resume import seams
from chimed.readers.json_window import LOOK, Window
from chimed.source import BadRow, Row

Shape = Literal["array", "lines", "object"]
SAMPLE = 100


@dataclass(frozen=True, slots=True)
class JsonRows(FileReader):
    """Rows of JSON files: the elements of an array, the lines of JSON Lines, or one object.

    `layouts` are sets of fields; a file none of whose first well-formed rows has all fields of one set is refused
    (an empty set stands for a row that is a list). `nested`: one object `{"group": [row, …]}`, of which each row comes
    as `{"group": row}`, to any depth. `refused` are fields that tell a layout which is refused, with the words why.
    """

    layouts: tuple[frozenset[str], ...] = ()
    nested: bool = False
    refused: tuple[tuple[frozenset[str], str], ...] = ()

    def read(self, folder: Path, files: Sequence[str]) -> Iterator[Row | BadRow]:
        """Rows in the order of files and of their text."""
        for file in files:
            for position, (raw, value, fault, detail) in enumerate(self._pieces(folder / file), 1):
                if fault:
                    yield BadRow(file, position, fault, detail, raw)
                else:
                    yield Row(file, position, value)

    def raw(self, folder: Path, file: str, position: int) -> bytes:
        """The bytes of an element or line."""
        for piece in islice(self._pieces(folder / file), position - 1, position):
            return piece[0].rstrip(b"\r")
        raise LookupError(f"{file} has no row {position}")

    def _misfit(self, path: Path) -> str | None:
        first = first_byte(path)
        if first not in b"[{" and not _has_object(path):
            return f"not JSON (it begins with {first!r}). Put the file of this source there."
        values = [value for _, value, fault, _ in islice(self._pieces(path), SAMPLE) if not fault]
        for fields, words in self.refused:
            if any(isinstance(value, dict) and fields <= value.keys() for value in values):
                return words
        if not values or not self.layouts or any(self._known(value) for value in values):
            return None
        came = ", ".join(values[0]) if isinstance(values[0], dict) else type(values[0]).__name__
        known = " or ".join("{" + ", ".join(sorted(fields)) + "}" for fields in self.layouts)
        return f"no known layout. The first row has {came[:200]}; known are {known}."

    def _known(self, value: Any) -> bool:
        if self.nested and isinstance(value, dict) and len(value) == 1:
            return True
        if isinstance(value, list):
            return frozenset() in self.layouts
        return isinstance(value, dict) and any(fields and fields <= value.keys() for fields in self.layouts)

    def _pieces(self, path: Path) -> Iterator[Piece]:
        shape = shape_of(path, self.nested)
        if shape == "lines":
            yield from _of_lines(path)
            return
        with closing(Window(path)) as window:
            at = window.skip(0)
            if shape == "array":
                yield from Elements(window, at if window.data[at : at + 1] == b"[" else at - 1)
            elif self.nested and not self._is_row(window, at):
                yield from members(window, at)
            else:
                yield whole(window, at)

    def _is_row(self, window: Window, at: int) -> bool:
        """Whether one object is itself a row and no nest of rows."""
        if len(window.data) - at > LOOK:
            return False
        try:
            return bool(self.layouts) and any(
                fields and fields <= orjson.loads(window.data[at:]).keys() for fields in self.layouts
            )
        except orjson.JSONDecodeError:
            return False


def first_byte(path: Path) -> bytes:
    """The first byte that is not white space, empty where there is none in the first megabyte."""
    with on_disk.open_text(path) as opened:
        return opened.read(LOOK).lstrip()[:1]


def shape_of(path: Path, nested: bool = False) -> Shape:
    """Array, lines or one object, from the first complete value and at most 64 MiB (design ruling 8).

    Where the first value is broken or larger, lines that parse tell; else only a nest of rows may be that large.
    """
    first = first_byte(path)
    if first == b"[":
        return "lines" if _by_lines(_first_lines(path)) else "array"
    if first != b"{":
        return "lines"
    with closing(Window(path)) as window:
        at = window.skip(0)
        at, end = window.end_of_value(at)
        if end is not None:
            sound = parses(window.data[at:end])
            follows = window.skip(end)
            if sound and follows < len(window.data):
                if window.data[follows] != 0x2C or _mostly_rows(_first_lines(path)):
                    return "lines"
                return "object" if nested else "array"  # its `[` is missing
            if sound:
                return "object"
        lines = _first_lines(path)
        return "object" if (nested or window.ended) and 2 * sum(map(_is_row, lines)) < len(lines) else "lines"


def _has_object(path: Path) -> bool:
    """Whether one of the first lines is a JSON object."""
    with on_disk.open_text(path) as opened:
        return any(_is_object(line) for line in opened.read(LOOK).split(b"\n")[:SAMPLE])


def _first_lines(path: Path) -> list[bytes]:
    """The lines that are filled, of the first megabyte."""
    with on_disk.open_text(path) as opened:
        return [line.strip() for line in opened.read(LOOK).split(b"\n")[: SAMPLE + 1] if line.strip()]


def _by_lines(lines: list[bytes]) -> bool:
    """Whether a file that begins with `[` holds a row a line: no comma stands between whole rows, as it would in JSON."""
    listed = all(line[:1] == b"[" and line[-1:] != b"," for line in lines)
    return len(lines) > 1 and (_mostly_rows(lines) or (listed and any(map(_is_row, lines))))


def _mostly_rows(lines: list[bytes]) -> bool:
    return 2 * sum(map(_is_row, lines)) > len(lines)


def _is_row(line: bytes) -> bool:
    """Whether a line is an object, or a list of anything else."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return isinstance(value, dict) or (isinstance(value, list) and not any(isinstance(item, dict) for item in value))


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _of_lines(path: Path) -> Iterator[Piece]:
    loads, broken, number, sound = orjson.loads, orjson.JSONDecodeError, 0, b""
    for offset, data, cut in on_disk.blocks(path):
        if cut:
            number += 1
            yield data, None, "wrong_shape", on_disk.too_long(number)
            continue
        lines = data.split(b"\n")
        for at, line in enumerate(lines):
            try:
                value = loads(line)
            except broken as error:
                if line.strip():
                    start = offset + sum(map(len, lines[:at])) + at
                    yield from _of_line(line.rstrip(b"\r"), sound, start, number + at + 1, error)
            else:
                yield line, value, "", ""
                sound = line
        number += len(lines) - 1


def _of_line(line: bytes, sound: bytes, offset: int, number: int, error: Exception) -> Iterator[Piece]:
    """A line that does not parse: one broken row, or several without a line end between them."""
    at = 0
    for end in [*seams(line, sound), len(line)]:
        raw = line[at:end].rstrip()
        try:
            yield raw, orjson.loads(raw), "", ""
        except orjson.JSONDecodeError as own:
            yield fault_of_bytes(raw, offset + at, number, own if at else error)
        at = end
