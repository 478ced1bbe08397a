"""Excel workbooks: the first sheet, its first row as names; cells as text."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import orjson

from chimed.readers import files as on_disk
from chimed.readers.files import FileReader
from chimed.source import BadRow, Row

MAX_UNPACKED = 2**30


@dataclass(frozen=True, slots=True)
class Workbook(FileReader):
    """Rows of .xlsx files as dictionaries by the names in the first row; an empty cell is an empty string."""

    columns: tuple[frozenset[str], ...]

    _begins: ClassVar[bytes | None] = on_disk.ZIP

    def _misfit(self, path: Path) -> str | None:
        if words := _not_a_workbook(path):
            return words
        try:
            header = {str(name).strip() for name in next(_sheet(path), ())}
        except (KeyError, ValueError, IndexError, SyntaxError, TypeError) as error:
            return f"a damaged workbook ({error}). Save it as csv in UTF-8."
        if any(names <= header for names in self.columns):
            return None
        return f"no known layout. The first row has {', '.join(sorted(header))[:200]}."

    def read(self, folder: Path, files: Sequence[str]) -> Iterator[Row | BadRow]:
        """Rows in the order of files and sheet rows; empty sheet rows are passed over."""
        for file in files:
            for position, value in enumerate(self._values(folder / file), 1):
                yield Row(file, position, value)

    def raw(self, folder: Path, file: str, position: int) -> bytes:
        """The cells of a row as JSON: a workbook has no bytes of its own for a row."""
        for value in islice(self._values(folder / file), position - 1, position):
            return bytes(orjson.dumps(value))
        raise LookupError(f"{file} has no row {position}")

    def _values(self, path: Path) -> Iterator[dict[str, str]]:
        rows = _sheet(path)
        names = [str(name or number).strip() for number, name in enumerate(next(rows, ()), 1)]
        for cells in rows:
            texts = ["" if cell is None else str(cell) for cell in cells]
            if any(texts):
                yield dict(zip(names, texts, strict=False))


def _sheet(path: Path) -> Iterator[tuple[Any, ...]]:
    from openpyxl import load_workbook

    book = load_workbook(path, read_only=True, data_only=True)
    try:
        yield from book.worksheets[0].iter_rows(values_only=True)
    finally:
        book.close()


def _not_a_workbook(path: Path) -> str | None:
    """Why openpyxl would not take the file, in words."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            size = sum(info.file_size for info in archive.infolist())
            broken = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError, RuntimeError):
        return "a damaged workbook or archive. Download it again, or save it as csv in UTF-8."
    if "xl/workbook.xml" not in names:
        return "a zip archive, not a workbook. Unpack it first."
    if size > MAX_UNPACKED or broken:
        return "a damaged or far too large workbook. Save it as csv in UTF-8."
    return None
