"""Comma- or tab-separated values by the C csv reader, with the encoding decided per file.

A quote that is opened and never closed would swallow the rows after it: the first line alone is then lost, and reading
goes on with the second.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

from chimed.readers.csv_text import Bad, decide, text_lines
from chimed.readers.files import MAX_RAW, MAX_ROW, FileReader
from chimed.source import BadRow, Row

MAX_WAIT = 8
"""Blocks (of a megabyte) over which a quoted cell may stay open."""

NOTHING: tuple[list[str], list[str], str, str] = ([], [], "", "")


Record = tuple[list[str], list[str], str, str]
"""The cells of one record, its lines as they stood, and reason and words where it is lost."""


@dataclass(frozen=True, slots=True)
class Delimited(FileReader):
    """Rows of csv or tsv files, as dictionaries by the names in the header.

    `encodings` are tried in order, per file; `columns` are sets of names of which the header must hold one. Columns
    without a name come under their number ("16").
    """

    columns: tuple[frozenset[str], ...]
    encodings: tuple[str, ...] = ("utf-8",)
    delimiter: str = ","

    def _misfit(self, path: Path) -> str | None:
        header = names_of(next(self._records(path), NOTHING)[0])
        if any(names <= set(header) for names in self.columns):
            return None
        known = " or ".join(",".join(sorted(names)) for names in self.columns)
        return f"no known layout. The header reads {','.join(header)[:200]!r}; known are {known}."

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
        run = _Run(self.delimiter, {})
        waited, since = 0, 0
        for lines in chain(text_lines(path, encoding or self._encoding(path), run.bad), [[]]):
            yield from run.records(lines, ended=not lines, overdue=waited == MAX_WAIT)
            waited, since = waited + 1 if run.left and run.number == since else 0, run.number


def names_of(header: list[str]) -> list[str]:
    """Names of columns: stripped, numbered where empty or repeated."""
    names: list[str] = []
    for number, cell in enumerate(header, 1):
        name = cell.strip()
        names.append(str(number) if not name or name in names else name)
    return names


@dataclass(slots=True)
class _Run:
    """Where reading stands: `left` are the lines of a record whose quoted cell is still open, after `number` lines.

    `torn`: the lines at hand may be the rest of a record that is lost already.
    """

    delimiter: str
    bad: Bad
    left: list[str] = field(default_factory=list)
    number: int = 0
    torn: bool = False

    def records(self, more: list[str], *, ended: bool, overdue: bool) -> Iterator[Record]:
        """Records of the lines left over and these; an open quote waits for more lines unless none come in time.

        Where a quote stands open for too long, or where none may, the first line of the record is taken alone and a
        later line begins a new one.
        """
        self.left += more
        if self.torn:
            self._drop(self._fragments(0))
        while self.left:
            try:
                yield from self._sound()
            except csv.Error as error:
                if "unexpected end" in str(error) and not ended and not overdue:
                    return
                overdue = False
                yield self._alone(str(error))

    def _sound(self) -> Iterator[Record]:
        """Records as long as quoting is strict; csv.Error leaves the record that is not in `left`."""
        reader = csv.reader(self.left, delimiter=self.delimiter, strict=True)
        start = 0
        try:
            for cells in reader:
                end = reader.line_num
                if cells:
                    yield _record(cells, self.left[start:end], self.number + start, self.bad)
                start = end
        finally:
            self._drop(start)

    def _alone(self, error: str) -> Record:
        """The first line by itself: kept if it is a whole record, else lost with the fragments that follow it."""
        line = self.left[0]
        cells = next(csv.reader([line], delimiter=self.delimiter), [])
        record = _record(cells, [line], self.number, self.bad)
        if len(list(csv.reader([line, "x\n"], delimiter=self.delimiter))) == 2:
            self._drop(1)
            return record
        size = 1 + self._fragments(1)
        lost = cells, self.left[:size], record[2] or "wrong_columns", record[3] or f"line {self.number + 1}: {error}"
        self._drop(size)
        self.torn = not self.left
        return lost

    def _fragments(self, start: int) -> int:
        """How many lines from here on have no delimiter: text of a cell, no record."""
        size = next((n for n, line in enumerate(self.left[start:]) if self.delimiter in line), None)
        return len(self.left) - start if size is None else size

    def _drop(self, size: int) -> None:
        self.left = self.left[size:]
        self.number += size
        self.torn = self.torn and not self.left


def _record(cells: list[str], lines: list[str], number: int, bad: Bad) -> Record:
    if bad:
        for line in range(number + 1, number + len(lines) + 1):
            if line in bad:
                return cells, lines, *bad[line]
    return cells, lines, "", ""
