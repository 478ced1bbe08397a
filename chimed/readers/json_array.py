"""The elements of a JSON array of any size and any spacing, one at a time; a broken one does not hurt the others."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from itertools import islice
from typing import Any

import orjson

from chimed.readers.files import MAX_RAW, MAX_ROW, too_long
from chimed.readers.json_window import LOOK, Window, balanced

_FIRST_KEY = re.compile(rb'\{[ \t\r\n]*+("[^"\\]*+(?:\\.[^"\\]*+)*+")')
_SPACE = rb"[ \t\r\n]*+"
_ANY_START = re.compile(rb"," + _SPACE + rb"(?=[\[{])")
_KEYS = 16
_GUESSES = 200


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


def parses(raw: bytes) -> bool:
    """Whether the bytes are one JSON value."""
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError:
        return False
    return True


class Elements:
    """Iterates over the elements of the array whose `[` stands at `at`; afterwards `end` is the index after its `]`.

    `last`: nothing but white space may follow the array.
    """

    def __init__(self, window: Window, at: int, last: bool = True) -> None:
        self.window = window
        self._last = last
        self.end = at
        self._at = at + 1
        self._keys: list[bytes] = []
        self._seam = self._start = _ANY_START
        self._ran_out = False
        self._sound = False

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
            if data[self._at] == 0x5D and (yield from self._closed()):
                return
            if self._at == len(self.window.data):
                continue
            self._at = self.window.near(self._at)
            self._learn()
            if self._keys:
                yield from self._sewn()
            if self._at < len(self.window.data):
                yield self._counted()

    def _closed(self) -> Generator[Piece, None, bool]:
        """Whether the `]` at hand ends the array; one that does not end the file belongs to a broken element."""
        if not self._last:
            self.end = self._at + 1
            return True
        line = self.window.line(self._at)
        self.end = self._at = self.window.skip(self._at + 1)
        if self._at == len(self.window.data):
            return True
        yield b"]", None, "bad_json", f"line {line}: the array ends before the file does"
        self._at = self.window.skip(self._at, b",]")
        return False

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
            at, self._sound = seam.end(), True
        self._at = at

    def _learn(self) -> None:
        """Remember how elements begin: by the first key of an object, or as an array."""
        data, at = self.window.data, self._at
        match = _FIRST_KEY.match(data, at)
        key = b"[" if data[at] == 0x5B else match[1] if match else b""
        if key == b"[" and self._sound and self._keys:
            return
        if key and key not in self._keys and len(self._keys) < _KEYS:
            self._expect([*self._keys, key])

    def _expect(self, keys: list[bytes]) -> None:
        self._keys = keys
        heads = [rb"\[" if key == b"[" else rb"\{" + _SPACE + re.escape(key) for key in keys]
        start = rb"(?=" + rb"|".join(heads) + rb")"
        # one literal byte in front lets the search use memchr
        close = rb"\]" if keys == [b"["] else rb"[}\]]" if b"[" in keys else rb"\}"
        self._seam = re.compile(close + _SPACE + rb"," + _SPACE + start)
        self._start = re.compile(rb"," + _SPACE + start)

    def _guess(self) -> None:
        """Where the first element is broken: elements begin as the longest whole value behind a comma does."""
        data, longest = self.window.data[self._at : self._at + LOOK], 0
        for start in islice(_ANY_START.finditer(data), _GUESSES):
            end = balanced(data, start.end())
            if end is not None and end - start.end() > longest and parses(data[start.end() : end]):
                longest = end - start.end()
                match = _FIRST_KEY.match(data, start.end())
                self._expect([match[1] if match else b"["])

    def _counted(self) -> Piece:
        """The element by counting brackets; lost where it has no end or does not parse."""
        if self._sound and self._keys and self.window.data[self._at] == 0x5B and b"[" not in self._keys:
            return self._lost(None, ValueError("an array among objects"))
        self._at, end = self._end()
        if end is None:
            return self._lost(None, ValueError("the value has no end"))
        raw = self.window.data[self._at : end]
        if len(raw) > MAX_ROW:
            line, self._at = self.window.line(self._at), end
            return raw[:MAX_RAW], None, "wrong_shape", too_long(line)
        try:
            value = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            return self._lost(end, error)
        if self.window.data[end : end + 64].lstrip()[:1] not in b",]{[":
            return self._lost(None, ValueError("no comma after the value"))
        self._at, self._sound = end, True
        return raw, value, "", ""

    def _end(self) -> tuple[int, int | None]:
        if self.window.data[self._at] in b'{["':
            return self.window.end_of_value(self._at)
        found = re.compile(rb"[,\]]").search(self.window.data, self._at)
        return self._at, found.start() if found else None

    def _lost(self, end: int | None, error: Exception) -> Piece:
        """Give up the element at hand and go on where the next one seems to begin."""
        if not self._sound:
            self._guess()
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
            return head[:MAX_RAW], None, "wrong_shape", too_long(line)
        return fault_of_bytes(head, offset, line, error)
