"""Plain text: one row a line, or lines packed to passages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from chimed.readers import files as on_disk
from chimed.readers.files import FileReader
from chimed.source import BadRow, Row


@dataclass(frozen=True, slots=True)
class _Text(FileReader):
    """Files of running text but for those named in `leave_out`."""

    leave_out: tuple[str, ...] = ()

    def find(self, folder: Path) -> list[str]:
        """Files of this source in `folder`."""
        return on_disk.find(folder, self.files, self.leave_out)


@dataclass(frozen=True, slots=True)
class TextLines(_Text):
    """Every non-empty line of UTF-8 text is a row; its value is the line without its end."""

    def read(self, folder: Path, files: Sequence[str]) -> Iterator[Row | BadRow]:
        """Rows in the order of files and lines."""
        for file in files:
            for position, line in enumerate(_filled(folder / file), 1):
                yield _row(file, position, line)

    def raw(self, folder: Path, file: str, position: int) -> bytes:
        """The bytes of a line, without its end."""
        for at, line in enumerate(_filled(folder / file), 1):
            if at == position:
                return line.data.rstrip(b"\r\n")
        raise LookupError(f"{file} has no row {position}")


@dataclass(frozen=True, slots=True)
class Passages(_Text):
    """Lines of a book, stripped and joined up to `limit` characters, greedily: no line is cut, no two books mixed."""

    limit: int = 2048

    def read(self, folder: Path, files: Sequence[str]) -> Iterator[Row | BadRow]:
        """Passages; `rows` says of how many lines."""
        for file in files:
            for item in self._packed(folder, file):
                if isinstance(item, BadRow):
                    yield item
                else:
                    yield Row(file, item[0][0], "\n".join(text for _, text, _ in item), rows=len(item))

    def raw(self, folder: Path, file: str, position: int) -> bytes:
        """The bytes of the lines of a passage."""
        for item in self._packed(folder, file):
            if isinstance(item, BadRow):
                if item.position == position:
                    return item.raw
            elif item[0][0] == position:
                return b"\n".join(data for _, _, data in item)
        raise LookupError(f"{file} has no passage at row {position}")

    def _packed(self, folder: Path, file: str) -> Iterator[list[tuple[int, str, bytes]] | BadRow]:
        pack: list[tuple[int, str, bytes]] = []
        size = 0
        for position, line in enumerate(_filled(folder / file), 1):
            row = _row(file, position, line)
            text = _guessed(line) if isinstance(row, BadRow) else row.value.strip()
            if size and size + 1 + len(text) > self.limit:
                if pack:
                    yield pack
                pack, size = [], 0
            size += len(text) + (1 if size else 0)
            if isinstance(row, BadRow):
                yield row
            else:
                pack.append((position, text, line.data.rstrip(b"\r\n")))
        if pack:
            yield pack


def _guessed(line: on_disk.Line) -> str:
    """A lost line as far as it can be read: it takes its place, so that the passages behind it stay as they are."""
    return line.data.decode("utf-8", "replace").strip()


def _filled(path: Path) -> Iterator[on_disk.Line]:
    """Lines that hold more than white space; also the full-width kind counts as white space."""
    for line in on_disk.lines(path):
        stripped = line.data.strip()
        if stripped and (stripped[0] < 0x80 or stripped.decode("utf-8", "replace").strip()):
            yield line


def _row(file: str, position: int, line: on_disk.Line) -> Row | BadRow:
    if line.cut:
        return BadRow(file, position, "wrong_shape", on_disk.too_long(line.number), line.data)
    text, why = on_disk.decoded(line)
    if why:
        return BadRow(file, position, "bad_bytes", why, line.data.rstrip(b"\r\n"))
    return Row(file, position, text.rstrip("\r\n"))
