"""One JSON object that holds rows: `{"group": [row, …]}`, of which each row comes as `{"group": row}`, to any depth.

A broken row costs itself. Where the text does not say what was meant it costs more: a `[` added before the first row of
a group makes the group one row; a broken object inside an object (`{"head": {"relation": [row, …]}}`) is lost whole, and
a bracket too many or too few in one may cost those behind it, which are then lost with a reason.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import Any

import orjson

from chimed.readers.files import MAX_RAW, MAX_ROW, too_long
from chimed.readers.json_array import Elements, Piece, fault_of_bytes
from chimed.readers.json_window import KEY, WS, Window

_NEXT_OBJECT = re.compile(rb"\}(?=" + WS + rb"," + WS + KEY + WS + rb":" + WS + rb"\{)")
_STRAY = re.compile(rb"\}" + WS + rb"," + WS + rb"(?=" + KEY + WS + rb":)")
_ROWS = re.compile(rb"[\[,](?=" + WS + rb"[{\[])")


def whole(window: Window, at: int) -> Piece:
    """The value at an index as one piece, broken or not."""
    at, end = window.end_of_value(at)
    raw = window.data[at : end or len(window.data)]
    if len(raw) > MAX_ROW:
        return raw[:MAX_RAW], None, "wrong_shape", too_long(1)
    try:
        return raw, orjson.loads(raw), "", ""
    except orjson.JSONDecodeError as error:
        return fault_of_bytes(raw.rstrip(), window.base + at, window.line(at), error)


def members(window: Window, at: int) -> Iterator[Piece]:
    """The rows inside one object: elements of arrays that are its members, at any depth.

    Where no member begins, the next rows are read, under the last name if the list goes on and else under none.
    """
    at, last = window.skip(at + 1), ""
    while at < len(window.data):
        offset, line = window.base + at, window.line(at)
        if window.data[at] == 0x7D and (at := window.skip(at + 1) - 1) + 1 == len(window.data):
            return
        name, at = _name(window, at)
        if name is None:
            rows = _ROWS.search(window.data, at)
            raw = window.data[at : rows.start() if rows else at + MAX_RAW]
            stray = _STRAY.match(window.data, at)
            raw = b"}" if stray else raw
            yield fault_of_bytes(raw, offset, line, ValueError("a member has no name"))
            if stray:
                at = stray.end()
                continue
            if not rows:
                return
            at = rows.start()
            name = last if window.data[at] == 0x2C else ""
        last = name if window.data[at : at + 1] in {b"[", b","} else last
        at = window.skip((yield from _member(window, at, name)), b",")
    yield b"", None, "bad_json", f"line {window.line(at)}: the object is not closed, the file was cut"


def _member(window: Window, at: int, name: str) -> Generator[Piece, None, int]:
    """The rows of one member; returns the index behind it. A broken one that is an object itself is lost as one row."""
    if window.data[at : at + 1] in {b"[", b","}:
        elements = Elements(window, at, last=False)
        for piece in elements:
            yield piece if piece[2] else (piece[0], {name: piece[1]}, "", "")
        return elements.end
    at, end = window.end_of_value(at)
    piece = whole(window, at)
    if not piece[2]:
        yield from _leaves(piece[1], (name,))
    elif following := _NEXT_OBJECT.search(window.data, at):
        end = following.end()
        yield window.data[at:end], *piece[1:]
    else:
        yield piece
    return end or len(window.data)


def _name(window: Window, at: int) -> tuple[str | None, int]:
    """The name of a member and the index of its value; None and the index where there is no name."""
    at, end = window.end_of_value(at) if window.data[at] == 0x22 else (at, None)
    try:
        name = orjson.loads(window.data[at:end]) if end else None
    except orjson.JSONDecodeError:
        return None, at
    colon = window.skip(end) if end else at
    if name is None or window.data[colon : colon + 1] != b":":
        return None, min(colon, len(window.data))
    return name, window.skip(colon + 1)


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[Piece]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, (*path, name))
        return
    for leaf in value if isinstance(value, list) else [value]:
        row = leaf
        for name in reversed(path):
            row = {name: row}
        yield orjson.dumps(row), row, "", ""
