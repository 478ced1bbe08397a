"""The lines of a delimited file as text: decoded block by block, undecodable lines remembered by number."""

from __future__ import annotations

import io
import re
from collections import deque
from collections.abc import Iterator, Sequence
from csv import Error
from pathlib import Path
from typing import BinaryIO

from chimed.readers.files import MAX_RAW, MAX_ROW, open_text, too_long

BLOCK = 2**20
_UTF8_RUN = re.compile(rb"(?:[\xe4-\xe9][\x80-\xbf]{2}){4}")


def decide(path: Path, encodings: Sequence[str]) -> str:
    """The encoding under which the fewest lines of the first megabyte fail to decode; the first one where equal."""
    with open_text(path) as opened:
        sample = opened.read(BLOCK).splitlines()
    whole = sample[:-1] or sample
    return min(encodings, key=lambda encoding: sum(not _decodes(line, encoding) for line in whole))


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


class Lines:
    """The lines of a file for a csv reader, with those of the record at hand in `taken`.

    `number` is the last line's, `bad` maps the numbers of lines that cannot be taken to a reason and words.
    """

    def __init__(self, path: Path, encoding: str) -> None:
        self.encoding = encoding
        self.taken: list[str] = []
        self.bad: dict[int, tuple[str, str]] = {}
        self.number = 0
        self.ended = False
        self._back: deque[str] = deque()
        self._counted = 0
        self._lines = self._read(path)

    def feed(self, limit: int) -> Iterator[str]:
        """Lines, noted in `taken`; csv.Error where those of one record exceed `limit` characters."""
        taken, back, size = self.taken, self._back, 0
        while True:
            if back:
                line = back.popleft()
            elif (line := next(self._lines, "")) == "":
                return
            self.number += 1
            size = len(line) if not taken else size + len(line)
            taken.append(line)
            if size > limit:
                raise Error("field larger than field limit")
            yield line

    def give_back(self, lines: list[str]) -> None:
        """Return lines that the next reader shall see again."""
        self._back.extendleft(reversed(lines))
        self.number -= len(lines)

    def why_bad(self) -> tuple[str, str]:
        """Reason and words for the first bad line of the record at hand, else two empty strings."""
        first = self.number - len(self.taken) + 1
        return next((self.bad[n] for n in range(first, self.number + 1) if n in self.bad), ("", ""))

    def _read(self, path: Path) -> Iterator[str]:
        with open_text(path) as opened:
            offset = opened.tell()
            rest = b""
            while block := opened.read(BLOCK):
                block = rest + block
                cut = block.rfind(b"\n") + 1
                if not cut and len(block) > MAX_ROW:
                    self._counted += 1
                    self.bad[self._counted] = "wrong_shape", too_long(self._counted)
                    yield block[:MAX_RAW].decode("latin-1").replace('"', " ") + "\n"
                    block = self._after_line(opened)
                    offset, cut = opened.tell() - len(block), 0
                rest = block[cut:]
                yield from self._decoded(block[:cut], offset)
                offset += cut
            yield from self._decoded(rest, offset)

    @staticmethod
    def _after_line(opened: BinaryIO) -> bytes:
        while block := opened.read(BLOCK):
            if b"\n" in block:
                return block[block.index(b"\n") + 1 :]
        return b""

    def _decoded(self, block: bytes, offset: int) -> Iterator[str]:
        mixed = self.encoding == "gb18030" and _UTF8_RUN.search(block)
        if not mixed and b"\0" not in block:
            try:
                text = block.decode(self.encoding)
            except UnicodeDecodeError:
                pass
            else:
                yield from self._count(io.StringIO(text, newline=""))
                return
        yield from self._one_by_one(block, offset)

    def _count(self, lines: Iterator[str]) -> Iterator[str]:
        for line in lines:
            self._counted += 1
            yield line

    def _one_by_one(self, block: bytes, offset: int) -> Iterator[str]:
        for line in block.splitlines(keepends=True):
            self._counted += 1
            if why := self._why(line, offset):
                self.bad[self._counted] = "bad_bytes", f"line {self._counted}: {why}"
            offset += len(line)
            yield line.decode(self.encoding, "surrogateescape")

    def _why(self, line: bytes, offset: int) -> str:
        if 0 in line:
            return f"a NUL byte at byte {offset + line.index(0)}"
        try:
            line.decode(self.encoding)
        except UnicodeDecodeError as error:
            return f"byte {offset + error.start} does not decode as {self.encoding}"
        if self.encoding == "gb18030" and (run := _UTF8_RUN.search(line)) and _decodes(line, "utf-8"):
            return f"UTF-8 text in a GB18030 file at byte {offset + run.start()}"
        return ""
