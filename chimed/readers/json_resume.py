"""Where reading of an array goes on behind a broken element.

A place is looked for where a value begins and is whole, is like the elements of this array (shares a field with them,
or holds the same kind of item), and does not belong to a list inside an element (the list that it stands in ends at the
end of the file, not before). While no element has been seen whole, the places ahead tell how elements look.

Damage inside one element costs that element. It costs more only where the text does not say whose a part is:

- a cut that takes the end of one element and the beginning of the next makes one element of two: one row at most;
- where elements hold lists of objects with the very fields of elements, part of a broken element may pass for a row;
- what a cut leaves of the first element may be a whole value of another kind: it may take the second one with it.

Of 42,000 damaged nests three cost a neighbour, of 63,000 damaged arrays and lines none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from chimed.readers.json_window import FIRST_KEY, LOOK, SPACE, WS, extent

_START = re.compile(rb"[,}\]]" + WS + rb"(?=[\[{])")
_ITEM = re.compile(rb"," + WS + rb"(?=[^ \t\r\n,])")
_PLACES = 400
_FEW = 8  # so many values may have been parts of one broken element
_SIBLINGS = 64 * 2**10


@dataclass(frozen=True, slots=True)
class Look:
    """How the elements of an array look: `value` is one of them, `heads` matches how those seen so far begin."""

    value: Any
    heads: re.Pattern[bytes]

    def like(self, value: Any) -> bool:
        """Whether a value may be an element of the same array."""
        if isinstance(self.value, dict):
            return isinstance(value, dict) and (not self.value or not self.value.keys().isdisjoint(value))
        if isinstance(self.value, list):
            return isinstance(value, list) and (not self.value or [type(self.value[0])] == [*map(type, value[:1])])
        return True

    def flat(self) -> bool:
        """Whether elements hold no lists of objects or lists."""
        inner = self.value.values() if isinstance(self.value, dict) else self.value if self.holds() else ()
        return not any(isinstance(item, dict | list) for item in inner)

    def holds(self) -> bool:
        """Whether elements are objects or lists."""
        return isinstance(self.value, dict | list)


@dataclass(frozen=True, slots=True)
class Place:
    """A whole value that may be an element: where it begins and ends."""

    start: int
    end: int
    value: Any


def resume(data: bytes, at: int, look: Look | None, seen: int, at_end: Callable[[int], bool]) -> int | None:
    """The index of the next element behind the broken one at `at`; None where there is none in `data`.

    `seen` elements were whole before it; `at_end` says whether the array may end before an index.
    """
    start = _known(data, at, look, at_end) if look else None
    if start is not None or seen > _FEW:
        return start
    places, sure = _ahead(data, at, at_end)
    if not places or (look and not sure):
        return None
    model = places[-1] if sure else max(places, key=lambda place: place.end - place.start)
    look = Look(model.value, re.compile(rb"(?!)"))
    return next(place.start for place in places if look.like(place.value))


def _known(data: bytes, at: int, look: Look, at_end: Callable[[int], bool]) -> int | None:
    """The next place that looks like an element; a broken one too where it begins as elements do."""
    search = _START.search if look.holds() else _ITEM.search
    match = search(data, at)
    while match:
        start = match.end()
        place = _whole(data, start)
        if place is None:
            if look.heads.match(data, start):
                return start
        elif look.like(place.value) and (look.flat() or not _inner(data, place, _SIBLINGS, at_end)):
            return start
        match = search(data, start if place is None else place.end - 1)
    return None


def _ahead(data: bytes, at: int, at_end: Callable[[int], bool]) -> tuple[list[Place], bool]:
    """Whole values ahead that no inner list holds, up to the first that surely is an element, and whether one is."""
    places: list[Place] = []
    match = _START.search(data, at)
    for _ in range(_PLACES):
        if match is None or match.end() - at > LOOK:
            break
        place = _whole(data, start := match.end())
        inner = _inner(data, place, LOOK, at_end) if place else None
        if place and place.value and not inner:
            places.append(place)
            if inner is None:
                return places, True
        match = _START.search(data, start if place is None else (inner or place.end) - 1)
    return places, False


def _whole(data: bytes, start: int) -> Place | None:
    """The value at an index if it is JSON and a comma or a bracket follows it."""
    end = extent(data, start)
    if not end or data[end : end + 64].lstrip()[:1] not in b",][{":
        return None
    try:
        return Place(start, end, orjson.loads(data[start:end]))
    except orjson.JSONDecodeError:
        return None


def _inner(data: bytes, place: Place, ahead: int, at_end: Callable[[int], bool]) -> int | None:
    """The end of the list inside an element that holds a place; 0 where that is broken, None where there is no such."""
    end = extent(data, place.start, place.end + ahead, inside=b"[")
    return None if end and at_end(end) else end


def within(data: bytes, at: int, at_end: Callable[[int], bool]) -> bool:
    """Whether the list that the value at an index stands in is one inside an element."""
    end = extent(data, at, at + _SIBLINGS, inside=b"[")
    return bool(end) and not at_end(end or 0)


def seams(line: bytes, sound: bytes) -> list[int]:
    """Where rows begin on a line that holds several: behind a whole value, or a broken one, with no comma between.

    `sound` is a line that is one row; the next row behind a broken one begins as it does and ends the line.
    """
    found: list[int] = []
    end = extent(line, 0)
    while end and (space := SPACE.match(line, end)) and line[space.end() : space.end() + 1] in {b"{", b"["}:
        found.append(space.end())
        end = extent(line, found[-1])
    key = FIRST_KEY.match(sound)
    if end or not key:
        return found
    begins = re.compile(rb"(?<![\[,:{ \t])\{" + WS + re.escape(key[1]))
    return found + [match.start() for match in begins.finditer(line, found[-1] + 1 if found else 1)]
