"""Tab-separated columns without quoting: a quotation mark is a character like any other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from chimed.readers import files as on_disk
from chimed.readers.files import Block, FileReader, Line
from chimed.source import BadRow, Row

SAMPLE = 100
BLANK = " \t\n\r\x0b\x0c"  # what bytes.strip takes away


@dataclass(frozen=True, slots=True)
class Columns(FileReader):
    """Rows of a tab-separated file as lists of cells; blank lines are passed over, the header is told by one cell.

    `widths` are the numbers of columns a file may have: that of its header, or of most of its first lines.
    `header` is (index of a column, its name in the header).
    """

    widths: tuple[int, ...]
    headers: tuple[tuple[int, str], ...]

    def _misfit(self, path: Path) -> str | None:
        if any(_width(line) in self.widths for line in self._first(path)):
            return None
        return f"no known layout. Its first lines have none of {self.widths} tab-separated columns."

    def read(self, folder: Path, files: Sequence[str]) -> Iterator[Row | BadRow]:
        """Rows in the order of files and lines; another number of columns is `wrong_columns`."""
        for file in files:
            width, number, position = self._width(folder / file), 0, 0
            for block in on_disk.blocks(folder / file):
                for line in _texts(block) or on_disk.lines_of(block, number + 1):
                    number += 1
                    if isinstance(line, str):
                        cells = line.rstrip("\r").split("\t")
                        if len(cells) == width and number > 1 and line.strip(BLANK):
                            position += 1
                            yield Row(file, position, cells)
                            continue
                        line = Line(number, 0, line.encode(), cut=False)
                    if self._counts(line):
                        position += 1
                        yield _row(file, position, line, width)

    def raw(self, folder: Path, file: str, position: int) -> bytes:
        """The bytes of a line without its end."""
        for line in islice(self._lines(folder / file), position - 1, position):
            return line.data.rstrip(b"\r\n")
        raise LookupError(f"{file} has no row {position}")

    def _first(self, path: Path) -> list[Line]:
        return list(islice(on_disk.lines(path), SAMPLE))

    def _width(self, path: Path) -> int:
        first = self._first(path)
        if first and self._is_header(first[0]):
            return _width(first[0])
        counts = [_width(line) for line in first]
        return max(self.widths, key=counts.count)

    def _is_header(self, line: Line) -> bool:
        cells = line.data.rstrip(b"\r\n").split(b"\t")
        return any(at < len(cells) and cells[at].strip() == name.encode() for at, name in self.headers)

    def _lines(self, path: Path) -> Iterator[Line]:
        return filter(self._counts, on_disk.lines(path))

    def _counts(self, line: Line) -> bool:
        """Whether a line is a row: neither blank nor the header."""
        return bool(line.data.strip()) and not (line.number == 1 and self._is_header(line))


def _texts(block: Block) -> list[str] | None:
    """The lines of a block as text, all at once; None where any of them may have to be lost."""
    if block.cut or b"\0" in block.data:
        return None
    try:
        return block.data.decode("utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError:
        return None


def _width(line: Line) -> int:
    return line.data.count(b"\t") + 1


def _row(file: str, position: int, line: Line, width: int) -> Row | BadRow:
    if line.cut:
        return BadRow(file, position, "wrong_shape", on_disk.too_long(line.number), line.data)
    text, why = on_disk.decoded(line)
    raw = line.data.rstrip(b"\r\n")
    if why:
        return BadRow(file, position, "bad_bytes", why, raw)
    cells = text.rstrip("\r\n").split("\t")
    if len(cells) != width:
        detail = f"line {line.number}: {len(cells)} columns where the file has {width}"
        return BadRow(file, position, "wrong_columns", detail, raw)
    return Row(file, position, cells)
