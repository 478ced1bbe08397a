"""Rows joined by a key over a whole file, out of core: millions of triples become one row for each head.

Rows are spread over small files by their key; each file is grouped by itself, and the groups are merged by the place
where their key was first seen. Memory holds one batch, or one of those files, whatever the size of the input.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from chimed.readers.combined import Over
from chimed.source import BadRow, Row, Skip

BATCH = 50_000
SPREAD = 8 * 2**20
"""Bytes of input to one of the small files."""

MAX_FILES = 256


@dataclass(frozen=True, slots=True)
class Grouped(Over):
    """Rows of a file with equal `key(value)` as one row: `value` is the list of their values in order, `rows` how many.

    A row whose key raises Skip is lost alone. Groups come in the order in which their keys are first seen.
    """

    key: Callable[[Any], str]

    def read(self, folder: Path, files: Sequence[str]) -> Iterator[Row | BadRow]:
        """Lost rows of a file first, then its groups."""
        for file in files:
            with tempfile.TemporaryDirectory(prefix="chimed-groups-") as place:
                yield from self._read(folder, file, Path(place))

    def raw(self, folder: Path, file: str, position: int) -> bytes:
        """The upstream bytes of all rows of the group that begins at a position, one a line."""
        key: str | None = None
        found: list[int] = []
        for row in self.reader.read(folder, [file]):
            if row.position < position:
                continue
            if isinstance(row, BadRow):
                if row.position == position:
                    return row.raw
                continue
            own = self._key(row)
            if row.position == position:
                key = own
                if key is None:
                    return self.reader.raw(folder, file, position)
            if own is not None and own == key:
                found.append(row.position)
        if not found:
            raise LookupError(f"{file} has no row {position}")
        return b"\n".join(self.reader.raw(folder, file, at) for at in found)

    def _key(self, row: Row) -> str | None:
        try:
            return self.key(row.value)
        except Skip:
            return None

    def _read(self, folder: Path, file: str, place: Path) -> Iterator[Row | BadRow]:
        spread = _Spread(place, 1 + min(MAX_FILES - 1, (folder / file).stat().st_size // SPREAD))
        key_of, dumps = self.key, orjson.dumps
        for row in self.reader.read(folder, [file]):
            if isinstance(row, BadRow):
                yield row
                continue
            try:
                key = key_of(row[2])
            except Skip as skip:
                yield BadRow(file, row.position, skip.reason, skip.detail, dumps(row.value))
            else:
                spread.add(key, b"%d\t%s\t%s\n" % (row[1], dumps(key), dumps(row[2])))
        for group in spread.groups():
            first, name, values = group.split(b"\t")
            listed = orjson.loads(values)
            yield Row(file, int(first), listed, rows=len(listed), key=orjson.loads(name))


class _Spread:
    """Rows as lines `place⇥key⇥value` in small files: all rows of one key in the same file, in their order."""

    def __init__(self, place: Path, size: int) -> None:
        self._paths = [place / f"rows-{number}" for number in range(size)]
        self._held: list[list[bytes]] = [[] for _ in range(size)]
        self._count = 0

    def add(self, key: str, line: bytes) -> None:
        """Take one row; rows are held until there are enough to write."""
        self._held[hash(key) % len(self._held)].append(line)
        self._count += 1
        if self._count % BATCH == 0:
            self._write()

    def _write(self) -> None:
        for path, held in zip(self._paths, self._held, strict=True):
            if held:
                with open(path, "ab") as file:
                    file.writelines(held)
                held.clear()

    def groups(self) -> Iterator[bytes]:
        """All groups by the place of their first row, as lines `place⇥key⇥values`."""
        self._write()
        with ExitStack() as stack:
            opened = [stack.enter_context(open(_sorted(path), "rb")) for path in self._paths if path.exists()]
            yield from heapq.merge(*opened, key=_place)


def _place(line: bytes) -> int:
    return int(line[: line.index(b"\t")])


def _sorted(path: Path) -> Path:
    """The groups of one small file, one a line, in the order in which their keys are first seen."""
    groups: dict[bytes, list[bytes]] = {}
    firsts: list[bytes] = []
    with open(path, "rb") as lines:
        for line in lines:
            first, key, value = line.split(b"\t")
            values = groups.get(key)
            if values is None:
                groups[key] = [value[:-1]]
                firsts.append(first)
            else:
                values.append(value[:-1])
    with open(path, "wb") as out:
        for first, (key, values) in zip(firsts, groups.items(), strict=True):
            out.write(b"%s\t%s\t[%s]\n" % (first, key, b",".join(values)))
    return path
