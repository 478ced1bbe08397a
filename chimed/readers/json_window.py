"""A sliding window over a JSON file, and where the values in it end."""

from __future__ import annotations

import re
from pathlib import Path

from chimed.readers.files import MAX_ROW, open_text
from chimed.readers.telling import was_read

BLOCK = 4 * 2**20
LOOK = 2**20
WS = rb"[ \t\r\n]*+"
SPACE = re.compile(WS)
KEY = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
FIRST_KEY = re.compile(rb"\{" + WS + rb"(" + KEY + rb")")
BROKEN = 0
"""What `extent` gives for text that no continuation makes JSON."""

_INSIDE = rb'"[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+'
_OPEN_TEXT = re.compile(_INSIDE + rb"\\?\Z", re.S)
# text; a scalar; an opening bracket behind a comma; any bracket; else whatever may not stand between them
_TOKEN = re.compile(
    _INSIDE + rb'"|(?:true|false|null|[-0-9][0-9.eE+-]*+)|,' + WS + rb"[\[{]|[\[\]{}]|[^ \t\r\n:,]",
    re.S,
)
_COMMA, _QUOTE = b',"'
_PAIR = {ord("]"): ord("["), ord("}"): ord("{")}


class Window:
    """Bytes `data` of a file from offset `base` on; grows on demand, forgets what lies before `keep`."""

    def __init__(self, path: Path) -> None:
        self._path = path
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
        was_read(self._path, self.base)
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
        """New index of `at` and the end of the value there; None where it is broken, beyond MAX_ROW or cut."""
        while True:
            end = extent(self.data, at)
            if end is not None or self.ended or len(self.data) - at > MAX_ROW:
                return at, end or None
            at = self.more(at)


def extent(data: bytes, at: int, until: int | None = None, inside: bytes = b"") -> int | None:
    """The end of the bracketed value or text at an index: BROKEN where it cannot be JSON, None where the data ends.

    With `inside=b"["` the index is one inside an array, and the end is that of the array. A value that is JSON is
    never BROKEN; bytes inside texts are not looked at but for control characters.
    """
    opened = bytearray(inside)
    stop = len(data) if until is None else min(until, len(data))
    for token in _TOKEN.finditer(data, at, stop):
        first, last = data[token.start()], data[token.end() - 1]
        if last in b"[{":
            if first == _COMMA and opened[-1:] == b"{":
                return BROKEN
            opened.append(last)
            continue
        if last in _PAIR:
            if not opened or opened.pop() != _PAIR[last]:
                return BROKEN
        elif token.end() - token.start() == 1 and first not in b"0123456789":
            return None if _cut(data, token.start(), stop) else BROKEN
        if not opened:
            return token.end()
    return None


def _cut(data: bytes, at: int, stop: int) -> bool:
    """Whether what begins here may only lack its end: a text, a word or a number."""
    return bool(_OPEN_TEXT.match(data, at, stop)) if data[at] == _QUOTE else stop - at < len("false")
