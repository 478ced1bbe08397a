"""Comma- or tab-separated values by the C csv reader, with the encoding decided per file.

A quote that is opened and never closed would swallow the rows after it: the first line alone is then lost, and reading
goes on with the second.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from chimed.readers import files as on_disk
from chimed.readers.csv_lines import Lines, decide
from chimed.readers.files import MAX_RAW, MAX_ROW, Patterns
from chimed.source import BadRow, Row

MAX_QUOTED = 8 * 2**20
"""Characters that one quoted record over several lines may have."""


class Record(NamedTuple):
    """The cells of one record, its text as it stood, and why it is lost if it is."""

    cells: list[str]
    text: str
    fault: str = ""
    detail: str = ""


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
        header = names_of(next(self._records(folder / file), Record([], "")).cells)
        if any(names <= set(header) for names in self.columns):
            return None
        known = " or ".join(",".join(sorted(names)) for names in self.columns)
        return f"{file}: no known layout. The header reads {','.join(header)[:200]!r}; known are {known}."

    def read(self, folder: Path, files: Sequence[str]) -> Iterator[Row | BadRow]:
        """Rows in the order of files and records; another number of columns is `wrong_columns`."""
        for file in files:
            records = self._records(folder / file)
            header = names_of(next(records, Record([], "")).cells)
            width = len(header)
            for position, (cells, text, fault, detail) in enumerate(records, 1):
                if not fault and len(cells) == width:
                    yield Row(file, position, dict(zip(header, cells, strict=True)))
                    continue
                if not fault:
                    fault, detail = "wrong_columns", f"{len(cells)} columns where the header has {width}"
                raw = text.encode(self._encoding(folder / file), "surrogateescape")
                yield BadRow(file, position, fault, detail, raw[:MAX_RAW] if len(raw) > MAX_ROW else raw)

    def raw(self, folder: Path, file: str, position: int) -> bytes:
        """The bytes of a record as they stand in the file, without the line end."""
        for record in islice(self._records(folder / file, "latin-1"), position, position + 1):
            return record.text.encode("latin-1").rstrip(b"\r\n")
        raise LookupError(f"{file} has no record {position}")

    def _encoding(self, path: Path) -> str:
        return self.encodings[0] if len(self.encodings) == 1 else decide(path, self.encodings)

    def _records(self, path: Path, encoding: str | None = None) -> Iterator[Record]:
        csv.field_size_limit(MAX_ROW)
        lines = Lines(path, encoding or self._encoding(path))
        while not lines.ended:
            yield from _run(lines, self.delimiter)


def names_of(header: list[str]) -> list[str]:
    """Names of columns: stripped, numbered where empty or repeated."""
    names: list[str] = []
    for number, cell in enumerate(header, 1):
        name = cell.strip()
        names.append(str(number) if not name or name in names else name)
    return names


def _run(lines: Lines, delimiter: str) -> Iterator[Record]:
    """Records up to the end, or up to a quote that is not closed (then the lines after it are given back)."""
    reader = csv.reader(lines.feed(MAX_QUOTED), delimiter=delimiter, strict=True)
    while True:
        lines.taken.clear()
        try:
            cells = next(reader)
        except StopIteration:
            lines.ended = True
            return
        except csv.Error as error:
            yield _mended(lines, delimiter, error)
            return
        if cells:
            yield _record(lines, cells)


def _record(lines: Lines, cells: list[str]) -> Record:
    text = lines.taken[0] if len(lines.taken) == 1 else "".join(lines.taken)
    if lines.bad:
        return Record(cells, text, *lines.why_bad())
    return Record(cells, text)


def _mended(lines: Lines, delimiter: str, error: csv.Error) -> Record:
    """One line that the strict reader refuses: kept if it is whole by itself, else lost alone."""
    lines.give_back(lines.taken[1:])
    del lines.taken[1:]
    first = lines.taken[0] if lines.taken else ""
    where = f"line {lines.number}"
    if len(first) > MAX_QUOTED:
        return Record([], first[:MAX_RAW], "wrong_shape", on_disk.too_long(lines.number))
    if "unexpected end" not in str(error) and "limit" not in str(error):
        cells = next(csv.reader([first], delimiter=delimiter), [])
        record = _record(lines, cells)
        return (
            record if _closed(first, delimiter) else record._replace(fault="wrong_columns", detail=f"{where}: {error}")
        )
    return Record([], first, "wrong_columns", f"{where}: a quoted cell is not closed")


def _closed(line: str, delimiter: str) -> bool:
    """Whether the line is a whole record: nothing changes when another line follows."""
    return len(list(csv.reader([line, "x\n"], delimiter=delimiter))) == 2
