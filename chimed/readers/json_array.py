"""The elements of a JSON array of any size and any spacing, one at a time; a broken one does not hurt the others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from chimed.readers.files import MAX_RAW, MAX_ROW
from chimed.readers.json_window import Window

_FIRST_KEY = re.compile(rb'\{[ \t\r\n]*+("[^"\\]*+(?:\\.[^"\\]*+)*+")')
_SPACE = rb"[ \t\r\n]*+"
_KEYS = 16


Piece = tuple[bytes, Any, str, str]
"""A JSON value as it stood in the file and parsed; then the reason why it is lost and words, empty where it is not."""


def fault_of_bytes(raw: bytes, offset: int, line: int, error: Exception) -> Piece:
    """The piece for bytes that do not parse: undecodable, or broken JSON (also where a character was cut in two)."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as where:
        if where.reason == "unexpected end of data":
            return raw, None, "bad_json", f"line {line}, byte {offset}: cut in the middle of a character"
        at = offset + where.start
        return raw, None, "bad_bytes", f"line {line}: byte {at} does not decode as utf-8"
    return raw, None, "bad_json", f"line {line}, byte {offset}: {str(error).split(': line')[0]}"


class Elements:
    """Iterates over the elements of the array whose `[` stands at `at`; afterwards `end` is the index after its `]`."""

    def __init__(self, window: Window, at: int) -> None:
        self.window = window
        self.end = at
        self._at = at + 1
        self._keys: list[bytes] = []
        self._seam = self._start = re.compile(rb"$.")
        self._ran_out = False

    def __iter__(self) -> Iterator[Piece]:
        while True:
            self._at = self.window.skip(self._at, b",")
            data = self.window.data
            if self._at == len(data):
                self.end = self._at
                if not self._ran_out:
                    words = f"line {self.window.line(self._at)}: the array is not closed, the file was cut"
                    yield b"", None, "bad_json", words
                return
            if data[self._at] == 0x5D:
                self.end = self._at + 1
                return
            self._at = self.window.near(self._at)
            self._learn()
            yield from self._sewn()
            if self._at < len(self.window.data):
                yield self._counted()

    def _sewn(self) -> Iterator[Piece]:
        """Elements as long as what stands between two seams parses."""
        data, at, loads = self.window.data, self._at, orjson.loads
        for seam in self._seam.finditer(data, at):
            raw = data[at : seam.start() + 1]
            try:
                value = loads(raw)
            except orjson.JSONDecodeError:
                break
            yield raw, value, "", ""
            at = seam.end()
        self._at = at

    def _learn(self) -> None:
        """Remember how elements begin: by the first key of an object, or as an array."""
        data, at = self.window.data, self._at
        if data[at] == 0x5B:
            key = b"["
        else:
            match = _FIRST_KEY.match(data, at)
            key = match[1] if match else b""
        if not key or key in self._keys or len(self._keys) == _KEYS:
            return
        self._keys.append(key)
        heads = [rb"\[" if key == b"[" else rb"\{" + _SPACE + re.escape(key) for key in self._keys]
        start = rb"(?=" + rb"|".join(heads) + rb")"
        # one literal byte in front lets the search use memchr
        close = rb"\]" if self._keys == [b"["] else rb"[}\]]" if b"[" in self._keys else rb"\}"
        self._seam = re.compile(close + _SPACE + rb"," + _SPACE + start)
        self._start = re.compile(rb"," + _SPACE + start)

    def _counted(self) -> Piece:
        """The element by counting brackets; lost where it has no end or does not parse."""
        self._at, end = self._end()
        if end is None:
            return self._lost(None, ValueError("the value has no end"))
        raw = self.window.data[self._at : end]
        try:
            value = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            return self._lost(end, error)
        self._at = end
        return raw, value, "", ""

    def _end(self) -> tuple[int, int | None]:
        if self.window.data[self._at] in b'{["':
            return self.window.end_of_value(self._at)
        found = re.compile(rb"[,\]]").search(self.window.data, self._at)
        return self._at, found.start() if found else None

    def _lost(self, end: int | None, error: Exception) -> Piece:
        """Give up the element at hand and go on where the next one seems to begin."""
        at, offset, line = self._at, self.window.base + self._at, self.window.line(self._at)
        start = self._start.search(self.window.data, at + 1)
        if start:
            end = start.start()
        elif end is None:
            return self._run_away(offset, line, error)
        self._at = end
        return fault_of_bytes(self.window.data[at:end], offset, line, error)

    def _run_away(self, offset: int, line: int, error: Exception) -> Piece:
        """A value without an end inside the window: drop it block by block until a start or the end of the file."""
        window = self.window
        size, head, tail = len(window.data) - self._at, window.data[self._at :], 256
        while not window.ended:
            window.more(max(0, len(window.data) - tail))
            start = self._start.search(window.data)
            size += len(window.data) - tail
            if start:
                self._at = start.start()
                break
        else:
            self._at, self._ran_out = len(window.data), True
        if size > MAX_ROW:
            words = f"line {line}, byte {offset}: the row is longer than {MAX_ROW // 2**20} MiB"
            return head[:MAX_RAW], None, "wrong_shape", words
        return fault_of_bytes(head, offset, line, error)
