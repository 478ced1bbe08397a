"""Comma- or tab-separated values by the C csv reader, with the encoding decided per file.

A quote that is opened and never closed would swallow the rows after it: the first line alone is then lost, and reading
goes on with the second.
"""

from __future__ import annotations

import csv
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from chimed.readers import files as on_disk
from chimed.readers.csv_text import Bad, decide, text_lines
from chimed.readers.files import MAX_RAW, MAX_ROW, Patterns
from chimed.source import BadRow, Row

MAX_QUOTED = 8 * 2**20
"""Characters that one quoted record over several lines may have."""

NOTHING: tuple[list[str], list[str], str, str] = ([], [], "", "")


Record = tuple[list[str], list[str], str, str]
"""The cells of one record, its lines as they stood, and reason and words where it is lost."""


@dataclass(frozen=True, slots=True)
class Delimited:
    """Rows of csv or tsv files, as dictionaries by the names in the header.

    `encodings` are tried in order, per file; `columns` are sets of names of which the header must hold one. Columns
    without a name come under their number ("16").
    """

    files: Patterns
    columns: tuple[frozenset[str], ...]
    encodings: tuple[str, ...] = ("utf-8",)
    delimiter: str = ","

    def find(self, folder: Path) -> list[str]:
        """Files of this source in `folder`."""
        return on_disk.find(folder, self.files)

    def faults(self, folder: Path, files: Sequence[str], root: Path | None = None) -> list[str]:
        """Files that cannot be read at all or have other columns, in words."""
        return [fault for file in files if (fault := self._fault(folder, file, root))]

    def _fault(self, folder: Path, file: str, root: Path | None) -> str | None:
        if fault := on_disk.fault_of(folder, file, root):
            return fault
        header = names_of(next(self._records(folder / file), NOTHING)[0])
        if any(names <= set(header) for names in self.columns):
            return None
        known = " or ".join(",".join(sorted(names)) for names in self.columns)
        return f"{file}: no known layout. The header reads {','.join(header)[:200]!r}; known are {known}."

    def read(self, folder: Path, files: Sequence[str]) -> Iterator[Row | BadRow]:
        """Rows in the order of files and records; another number of columns is `wrong_columns`."""
        for file in files:
            records = self._records(folder / file)
            header = names_of(next(records, NOTHING)[0])
            width = len(header)
            for position, (cells, lines, fault, detail) in enumerate(records, 1):
                if not fault and len(cells) == width:
                    yield Row(file, position, dict(zip(header, cells, strict=True)))
                    continue
                if not fault:
                    fault, detail = "wrong_columns", f"{len(cells)} columns where the header has {width}"
                raw = "".join(lines).encode(self._encoding(folder / file), "surrogateescape")
                yield BadRow(file, position, fault, detail, raw[:MAX_RAW] if len(raw) > MAX_ROW else raw)

    def raw(self, folder: Path, file: str, position: int) -> bytes:
        """The bytes of a record as they stand in the file, without the line end."""
        for record in islice(self._records(folder / file, "latin-1"), position, position + 1):
            return "".join(record[1]).encode("latin-1").rstrip(b"\r\n")
        raise LookupError(f"{file} has no record {position}")

    def _encoding(self, path: Path) -> str:
        return self.encodings[0] if len(self.encodings) == 1 else decide(path, self.encodings)

    def _records(self, path: Path, encoding: str | None = None) -> Iterator[Record]:
        csv.field_size_limit(MAX_ROW)
        bad: Bad = {}
        left: list[str] = []
        number = 0
        for lines in text_lines(path, encoding or self._encoding(path), bad):
            number, left = yield from _block(left + lines, number, bad, self.delimiter)
        while left:
            yield _first_alone(left[0], number, bad, self.delimiter, "a quoted cell is not closed")
            number, left = yield from _block(left[1:], number + 1, bad, self.delimiter)


def names_of(header: list[str]) -> list[str]:
    """Names of columns: stripped, numbered where empty or repeated."""
    names: list[str] = []
    for number, cell in enumerate(header, 1):
        name = cell.strip()
        names.append(str(number) if not name or name in names else name)
    return names


def _block(lines: list[str], number: int, bad: Bad, delimiter: str) -> Generator[Record, None, tuple[int, list[str]]]:
    """Records of these lines, before which there are `number` lines; returns that number for the lines left over.

    Left over is a record whose quoted cell is still open at the end. Where it runs on for too long, or a quote stands
    where none may, the first line of the record is taken alone and the next line begins a new one.
    """
    while lines:
        start = 0
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            for cells in reader:
                end = reader.line_num
                if cells:
                    yield _record(cells, lines[start:end], number + start, bad)
                start = end
        except csv.Error as error:
            lines, number = lines[start:], number + start
            if "unexpected end" in str(error) and sum(map(len, lines)) < MAX_QUOTED:
                return number, lines
            yield _first_alone(lines[0], number, bad, delimiter, str(error))
            lines, number = lines[1:], number + 1
        else:
            return number + len(lines), []
    return number, []


def _record(cells: list[str], lines: list[str], number: int, bad: Bad) -> Record:
    if bad:
        for line in range(number + 1, number + len(lines) + 1):
            if line in bad:
                return cells, lines, *bad[line]
    return cells, lines, "", ""


def _first_alone(line: str, number: int, bad: Bad, delimiter: str, error: str) -> Record:
    """A line that the strict reader refuses: kept if it is whole by itself, else lost alone."""
    cells = next(csv.reader([line], delimiter=delimiter), [])
    if len(list(csv.reader([line, "x\n"], delimiter=delimiter))) == 2:
        return _record(cells, [line], number, bad)
    _, lines, fault, detail = _record(cells, [line], number, bad)
    return cells, lines, fault or "wrong_columns", detail or f"line {number + 1}: {error}"
