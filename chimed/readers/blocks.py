"""Text in blocks, each opened by a line of a known form (`id=12`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from chimed.readers import files as on_disk
from chimed.readers.files import MAX_RAW, MAX_ROW, FileReader, Line
from chimed.source import BadRow, Row


@dataclass(frozen=True, slots=True)
class Blocks(FileReader):
    """Every block is a row; its value is the text from its opening line to the next one. UTF-8.

    A damaged opening line would hide its block in the one before: where a line like `second` follows one like `nearly`,
    a block begins there too, and is lost as one of wrong shape.
    """

    opens: str
    nearly: str = r"(?!)"
    second: str = r"(?!)"

    def _misfit(self, path: Path) -> str | None:
        with open(path, "rb") as opened:
            head = opened.read(2**20)
        if re.search(rb"(?m)" + self.opens.encode(), head):
            return None
        return f"no line of the form {self.opens}. This is another file, or another layout."

    def read(self, folder: Path, files: Sequence[str]) -> Iterator[Row | BadRow]:
        """Blocks in order; text before the first opening line is one row of wrong shape."""
        for file in files:
            for position, block in enumerate(self._blocks(folder / file), 1):
                yield self._row(file, position, block)

    def raw(self, folder: Path, file: str, position: int) -> bytes:
        """The bytes of a block."""
        for at, block in enumerate(self._blocks(folder / file), 1):
            if at == position:
                return b"".join(line.data for line in block)
        raise LookupError(f"{file} has no block {position}")

    def _blocks(self, path: Path) -> Iterator[list[Line]]:
        opens, nearly, second = (re.compile(form.encode()) for form in (self.opens, self.nearly, self.second))
        block: list[Line] = []
        size = 0
        for line in on_disk.lines(path):
            if opens.match(line.data):
                if _filled(block):
                    yield block
                block, size = [], 0
            elif len(block) > 1 and second.match(line.data) and nearly.match(block[-1].data):
                yield block[:-1]
                block, size = block[-1:], 0
            size += len(line.data)
            if size <= MAX_ROW:
                block.append(line)
            elif not block[-1:] or not block[-1].cut:
                block.append(line._replace(data=b"", cut=True))
        if _filled(block):
            yield block

    def _row(self, file: str, position: int, block: list[Line]) -> Row | BadRow:
        raw = b"".join(line.data for line in block)
        if any(line.cut for line in block):
            return BadRow(file, position, "wrong_shape", on_disk.too_long(block[0].number), raw[:MAX_RAW])
        text, why = on_disk.decoded(Line(block[0].number, block[0].offset, raw, cut=False))
        if why:
            return BadRow(file, position, "bad_bytes", why, raw)
        if not re.match("(?m)" + self.opens, text):
            return BadRow(file, position, "wrong_shape", f"line {block[0].number}: text before the first block", raw)
        return Row(file, position, text)


def _filled(block: list[Line]) -> bool:
    return any(line.data.strip() for line in block)
