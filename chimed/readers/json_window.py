"""A sliding window over a JSON file, and where the values in it begin and end.

Elements of an array are found by the text between two of them (`}, {"first key"`) and taken when they parse: a proper
prefix of a JSON object is never valid JSON, so what parses is the whole element. Where that fails, brackets and strings
are counted; where that fails too, the element is lost and reading goes on at the next place that looks like a start.
"""

from __future__ import annotations

import re
from pathlib import Path

from chimed.readers.files import MAX_ROW, open_text

BLOCK = 4 * 2**20
LOOK = 2**20
SPACE = re.compile(rb"[ \t\r\n]*+")
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{}]', re.S)


class Window:
    """Bytes `data` of a file from offset `base` on; grows on demand, forgets what lies before `keep`."""

    def __init__(self, path: Path) -> None:
        self._file = open_text(path)
        self.base = self._file.tell()
        self.data = b""
        self.ended = False
        self._lines = 1

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def more(self, keep: int) -> int:
        """Read on (at least as much as is kept) and forget all before `keep`; returns the new index of `keep`."""
        block = self._file.read(max(BLOCK, len(self.data) - keep))
        self._lines += self.data.count(b"\n", 0, keep)
        self.base += keep
        self.data = self.data[keep:] + block
        self.ended = not block
        return 0

    def near(self, at: int) -> int:
        """Have LOOK bytes after `at` in the window if the file has them; returns the new index of `at`."""
        while len(self.data) - at < LOOK and not self.ended:
            at = self.more(at)
        return at

    def skip(self, at: int, separators: bytes = b"") -> int:
        """The index of the next byte that is neither white space nor a separator (the end of data at the end)."""
        while True:
            match = SPACE.match(self.data, at)
            at = match.end() if match else at
            if at == len(self.data) and not self.ended:
                at = self.more(at)
            elif at < len(self.data) and self.data[at] in separators:
                at += 1
            else:
                return at

    def line(self, at: int) -> int:
        """The 1-based line number of an index."""
        return self._lines + self.data.count(b"\n", 0, at)

    def end_of_value(self, at: int) -> tuple[int, int | None]:
        """New index of `at`, and the end of the value there by counting brackets; None beyond MAX_ROW or the file."""
        while True:
            end = balanced(self.data, at)
            if end is not None or self.ended or len(self.data) - at > MAX_ROW:
                return at, end
            at = self.more(at)


def balanced(data: bytes, at: int) -> int | None:
    """The end of the bracketed value or string at an index, None where the data ends first."""
    depth = 0
    for token in _TOKEN.finditer(data, at):
        first = data[token.start()]
        if first in b"[{":
            depth += 1
        elif first in b"]}":
            depth -= 1
        elif token.end() - token.start() == 1:
            return None
        if depth <= 0:
            return token.end()
    return None
