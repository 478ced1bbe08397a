"""The elements of a JSON array of any size and any spacing, one at a time; a broken one does not hurt the others.

Elements are found by the text between two of them (`}, {"first key"`) and taken when they parse: a proper prefix of a
JSON object is never valid JSON, so what parses is the whole element. Where that fails, brackets and texts are followed;
where that fails too, the element is lost and reading goes on where the next one begins (`json_resume`).
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import Any

import orjson

from chimed.readers.files import MAX_RAW, MAX_ROW, too_long
from chimed.readers.json_resume import Look, resume, within
from chimed.readers.json_window import FIRST_KEY, KEY, LOOK, SPACE, WS, Window

_MEMBER = WS + KEY + WS + rb":" + WS
_AFTER = re.compile(WS + rb"(?:,(?=" + _MEMBER + rb"|[^\[\]{}]{1,400}\[" + WS + rb"[\[{])|\}(?=" + WS + rb"\Z))")
_NEXT_MEMBER = re.compile(rb"\](?=" + WS + rb"," + _MEMBER + rb"\[)")
_NAMED = re.compile(_MEMBER + rb"\[")
_SCALAR_END = re.compile(rb"[,\]]")
_CLOSE = re.compile(rb"\]" + WS + rb"\}?" + WS + rb"\Z")
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


def parses(raw: bytes) -> bool:
    """Whether the bytes are one JSON value."""
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError:
        return False
    return True


class Elements:
    """Iterates over the elements of the array whose `[` stands at `at`; afterwards `end` is the index after its `]`.

    `last`: nothing but white space may follow the array; else it is a member of an object, and more of those may.
    """

    def __init__(self, window: Window, at: int, last: bool = True) -> None:
        self.window = window
        self._last = last
        self.end = at
        self._at = at + 1
        self._keys: list[bytes] = []
        self._seam = self._start = re.compile(rb"(?!)")
        self._ran_out = False
        self._sound: Any = None
        self._seen = 0

    def __iter__(self) -> Iterator[Piece]:
        while True:
            self._at = self.window.skip(self._at, b",")
            if self._at == len(self.window.data):
                self.end = self._at
                if not self._ran_out:
                    words = f"line {self.window.line(self._at)}: the array is not closed, the file was cut"
                    yield b"", None, "bad_json", words
                return
            if self.window.data[self._at] == 0x5D and (yield from self._closed()):
                return
            if self._at == len(self.window.data):
                continue
            self._at = self.window.near(self._at)
            if not self._last and _NAMED.match(self.window.data, self._at):
                self.end = self._at
                return
            self._learn()
            if self._keys:
                yield from self._sewn()
            if self._at < len(self.window.data):
                yield self._counted()

    def _closed(self) -> Generator[Piece, None, bool]:
        """Whether the `]` at hand ends the array; one that does not belongs to a broken element."""
        line = self.window.line(self._at)
        self._at = self.window.near(self._at)
        if not self._last and self._may_end(self._at + 1):
            self.end = self._at + 1
            return True
        self.end = self._at = self.window.skip(self._at + 1)
        if self._at == len(self.window.data):
            return True
        yield b"]", None, "bad_json", f"line {line}: the array ends before the file does"
        self._at = self.window.skip(self._at, b",]")
        return False

    def _may_end(self, at: int) -> bool:
        """Whether the array may end before an index: the file ends there, or its object goes on."""
        data = self.window.data
        if not self._last:
            return bool(_AFTER.match(data, at))
        space = SPACE.match(data, at)
        return self.window.ended and (space.end() if space else at) == len(data)

    def _sewn(self) -> Iterator[Piece]:
        """Elements as long as what stands between two seams parses."""
        data, at, loads, seen = self.window.data, self._at, orjson.loads, 0
        for seam in self._seam.finditer(data, at):
            raw = data[at : seam.start() + 1]
            try:
                value = loads(raw)
            except orjson.JSONDecodeError:
                break
            yield raw, value, "", ""
            at, self._sound, seen = seam.end(), value, seen + 1
        self._at, self._seen = at, self._seen + seen

    def _learn(self) -> None:
        """Remember how elements begin: by the first key of an object, or as an array."""
        data, at = self.window.data, self._at
        match = FIRST_KEY.match(data, at)
        key = b"[" if data[at] == 0x5B else match[1] if match else b""
        if key == b"[" and self._seen and self._keys:
            return
        if key and key not in self._keys and len(self._keys) < _KEYS:
            self._expect([*self._keys, key])

    def _expect(self, keys: list[bytes]) -> None:
        self._keys = keys
        heads = [rb"\[" if key == b"[" else rb"\{" + WS + re.escape(key) for key in keys]
        start = rb"(?=" + rb"|".join(heads) + rb")"
        # one literal byte in front lets the search use memchr
        close = rb"\]" if keys == [b"["] else rb"[}\]]" if b"[" in keys else rb"\}"
        self._seam = re.compile(close + WS + rb"," + WS + start)
        self._start = re.compile(start)

    def _counted(self) -> Piece:
        """The element by following its brackets; lost where it has no end or does not parse."""
        if self._seen and self._keys and self.window.data[self._at] == 0x5B and b"[" not in self._keys:
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
        if not self._ends_well(end):
            return self._lost(None, ValueError("no comma after the value"))
        if self._seen and not self._look.like(value) and within(self.window.data, self._at, self._may_end):
            return self._lost(None, ValueError("a part of another value"))
        self._at, self._sound, self._seen = end, value, self._seen + 1
        return raw, value, "", ""

    @property
    def _look(self) -> Look:
        return Look(self._sound, self._start)

    def _ends_well(self, end: int) -> bool:
        """Whether the array goes on or ends behind a value, or the file was cut there.

        A list that ends where the file does may have taken all elements behind it for its own items.
        """
        follows = self.window.data[end : end + LOOK].lstrip()[:1]
        if follows:
            return follows in b",]{["
        return self.window.data[self._at] != 0x5B or not self._start.search(self.window.data, self._at + 1, end)

    def _end(self) -> tuple[int, int | None]:
        if self.window.data[self._at] in b'{["':
            return self.window.end_of_value(self._at)
        found = _SCALAR_END.search(self.window.data, self._at)
        return self._at, found.start() if found else None

    def _lost(self, end: int | None, error: Exception) -> Piece:
        """Give up the element at hand and go on where it ends, or where the next one begins."""
        offset, line = self.window.base + self._at, self.window.line(self._at)
        if end is None or self.window.data[end : end + LOOK].lstrip()[:1] not in {b",", b"]"}:
            end = self._next()
        if end is None:
            return self._run_away(line)
        raw, self._at = self.window.data[self._at : end].rstrip(b" \t\r\n,"), end
        return fault_of_bytes(raw, offset, line, error)

    def _next(self) -> int | None:
        """Where the element at hand is over: the next one, the end of the array, or None beyond MAX_ROW."""
        window = self.window
        while True:
            end = self._over(self._at)
            if end is not None or len(window.data) - self._at > MAX_ROW:
                return end
            if window.ended:
                close = _CLOSE.search(window.data, self._at)
                self._ran_out = not close
                return close.start() if close else len(window.data)
            self._at = window.more(self._at)

    def _over(self, at: int) -> int | None:
        """The next element in the window, or the `]` before the next member of the object."""
        look = self._look if self._seen else None
        start = resume(self.window.data, at, look, self._seen, self._may_end)
        if not self._last and (look is None or look.flat()):
            member = _NEXT_MEMBER.search(self.window.data, at, len(self.window.data) if start is None else start)
            return member.start() if member else start
        return start

    def _run_away(self, line: int) -> Piece:
        """A value without an end in MAX_ROW bytes: drop it block by block until a start or the end of the file."""
        window = self.window
        end = None
        head = window.data[self._at : self._at + MAX_RAW]
        while not window.ended and end is None:
            kept = min(LOOK, len(window.data))
            window.more(len(window.data) - kept)
            end = self._over(0)
        self._at, self._ran_out = (len(window.data), True) if end is None else (end, False)
        return head, None, "wrong_shape", too_long(line)
