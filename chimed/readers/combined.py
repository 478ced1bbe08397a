"""Readers made of readers: by what is there, by content, side by side, or with rows divided."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chimed.readers.files import ZIP, fault_of, open_text
from chimed.source import BadRow, Reader, Row


class _FileByFile:
    """Reads each file by the reader that is found for it."""

    __slots__ = ()

    def read(self, folder: Path, files: Sequence[str]) -> Iterator[Row | BadRow]:
        """Rows in the order of files."""
        for file in files:
            yield from self._of(folder, file).read(folder, [file])

    def raw(self, folder: Path, file: str, position: int) -> bytes:
        """Upstream bytes of a row."""
        return self._of(folder, file).raw(folder, file, position)

    def _of(self, folder: Path, file: str) -> Reader:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Over:
    """What readers share that change the rows of another one: its files and their faults."""

    reader: Reader

    def find(self, folder: Path) -> list[str]:
        """Files of the inner reader."""
        return self.reader.find(folder)

    def faults(self, folder: Path, files: Sequence[str], root: Path | None = None) -> list[str]:
        """Faults of the inner reader."""
        return self.reader.faults(folder, files, root)


@dataclass(frozen=True, slots=True)
class Either:
    """The first reader where it finds files, else the second."""

    first: Reader
    otherwise: Reader

    def find(self, folder: Path) -> list[str]:
        """Files of the reader that is taken."""
        return self.first.find(folder) or self.otherwise.find(folder)

    def faults(self, folder: Path, files: Sequence[str], root: Path | None = None) -> list[str]:
        """Faults as the reader that is taken finds them."""
        return self._taken(folder, files).faults(folder, files, root)

    def read(self, folder: Path, files: Sequence[str]) -> Iterator[Row | BadRow]:
        """Rows of the reader that is taken."""
        return self._taken(folder, files).read(folder, files)

    def raw(self, folder: Path, file: str, position: int) -> bytes:
        """Upstream bytes of a row."""
        return self._taken(folder, [file]).raw(folder, file, position)

    def _taken(self, folder: Path, files: Sequence[str]) -> Reader:
        return self.first if set(files) <= set(self.first.find(folder)) else self.otherwise


@dataclass(frozen=True, slots=True)
class Together(_FileByFile):
    """Several readers side by side, each with its own files."""

    readers: tuple[Reader, ...]

    def find(self, folder: Path) -> list[str]:
        """Files of all readers, in their order."""
        return [file for reader in self.readers for file in reader.find(folder)]

    def faults(self, folder: Path, files: Sequence[str], root: Path | None = None) -> list[str]:
        """Faults of all files."""
        return [fault for file in files for fault in self._of(folder, file).faults(folder, [file], root)]

    def _of(self, folder: Path, file: str) -> Reader:
        return next((reader for reader in self.readers if file in reader.find(folder)), self.readers[-1])


@dataclass(frozen=True, slots=True)
class Sniffed(_FileByFile):
    """JSON, workbook or delimited text, decided per file by its first byte; `text.find` names the files."""

    text: Reader
    json: Reader
    workbook: Reader | None = None

    def find(self, folder: Path) -> list[str]:
        """Files of this source in `folder`."""
        return self.text.find(folder)

    def faults(self, folder: Path, files: Sequence[str], root: Path | None = None) -> list[str]:
        """Faults of all files, each by its own kind."""
        faults = []
        for file in files:
            fault = fault_of(folder, file, root, binary=ZIP if self.workbook else None)
            faults += [fault] if fault else self._of(folder, file).faults(folder, [file], root)
        return faults

    def _of(self, folder: Path, file: str) -> Reader:
        with open_text(folder / file) as opened:
            head = opened.read(4096)
        if self.workbook is not None and head.startswith(ZIP):
            return self.workbook
        return self.json if head.lstrip()[:1] in {b"[", b"{"} else self.text


@dataclass(frozen=True, slots=True)
class Divided(Over):
    """Each row as several of the same layout (two answers of a question, all pairs of a ranking).

    The first part counts as the upstream row, the others as none: read = kept + lost still counts upstream rows.
    """

    divide: Callable[[Any], list[Any]]

    def read(self, folder: Path, files: Sequence[str]) -> Iterator[Row | BadRow]:
        """Parts in order; a row that cannot be divided comes whole."""
        for row in self.reader.read(folder, files):
            if isinstance(row, BadRow):
                yield row
                continue
            for number, part in enumerate(self.divide(row.value) or [row.value]):
                yield row._replace(value=part, rows=row.rows if number == 0 else 0)

    def raw(self, folder: Path, file: str, position: int) -> bytes:
        """Upstream bytes of the undivided row."""
        return self.reader.raw(folder, file, position)
