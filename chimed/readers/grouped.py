"""Rows joined by a key over a whole file, out of core: millions of triples become one row for each head.

Rows are spread over small files by their key; each file is grouped by itself, and the groups are merged by the place
where their key was first seen. Memory holds one batch, or one of those files, whatever the size of the input.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import orjson

from chimed.source import BadRow, Reader, Row, Skip

BATCH = 50_000
SPREAD = 8 * 2**20
"""Bytes of input to one of the small files."""

MAX_FILES = 256


Keyed = tuple[int, str, Any]
"""A row on its way: its place in the file, what it is joined by, its value."""

Group = tuple[int, str, list[Any]]
"""The place of the first row of a key, the key, and the values of all its rows in order."""


@dataclass(frozen=True, slots=True)
class Grouped:
    """Rows of a file with equal `key(value)` as one row: `value` is the list of their values in order, `rows` how many.

    A row whose key raises Skip is lost alone. Groups come in the order in which their keys are first seen.
    """

    reader: Reader
    key: Callable[[Any], str]

    def find(self, folder: Path) -> list[str]:
        """Files of the inner reader."""
        return self.reader.find(folder)

    def faults(self, folder: Path, files: Sequence[str], root: Path | None = None) -> list[str]:
        """Faults of the inner reader."""
        return self.reader.faults(folder, files, root)

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
        key_of, held = self.key, 0
        batch: list[Keyed] = []
        for row in self.reader.read(folder, [file]):
            if isinstance(row, BadRow):
                yield row
                continue
            try:
                batch.append((row.position, key_of(row.value), row.value))
            except Skip as skip:
                yield BadRow(file, row.position, skip.reason, skip.detail, orjson.dumps(row.value))
            if len(batch) == BATCH:
                spread.add(batch)
                held += len(batch)
                batch = []
        if held:
            spread.add(batch)
        for first, key, values in spread.groups() if held else _grouped(batch):
            yield Row(file, first, values, rows=len(values), key=key)


@dataclass(frozen=True, slots=True)
class _Spread:
    """Rows in small files: all rows of one key in the same file, in their order."""

    place: Path
    size: int

    def add(self, rows: Sequence[Keyed]) -> None:
        """Append rows, each file its own as one line of JSON."""
        shares: list[list[Keyed]] = [[] for _ in range(self.size)]
        for row in rows:
            shares[hash(row[1]) % self.size].append(row)
        for number, share in enumerate(shares):
            if share:
                with open(self.place / f"rows-{number}", "ab") as file:
                    file.write(orjson.dumps(share) + b"\n")

    def groups(self) -> Iterator[Group]:
        """All groups by the place of their first row."""
        parts = [self._sorted(number) for number in range(self.size)]
        with ExitStack() as stack:
            opened = [stack.enter_context(open(part, "rb")) for part in parts if part]
            yield from heapq.merge(*(map(orjson.loads, lines) for lines in opened), key=itemgetter(0))

    def _sorted(self, number: int) -> Path | None:
        """The groups of one file, one a line."""
        rows, groups = self.place / f"rows-{number}", self.place / f"groups-{number}"
        if not rows.exists():
            return None
        with open(rows, "rb") as lines, open(groups, "wb") as out:
            found = _grouped(row for line in lines for row in orjson.loads(line))
            out.writelines(orjson.dumps(group) + b"\n" for group in found)
        rows.unlink()
        return groups


def _grouped(rows: Iterable[Keyed]) -> list[Group]:
    """Groups in the order in which their keys are first seen."""
    groups: dict[str, Group] = {}
    for position, key, value in rows:
        group = groups.get(key)
        if group is None:
            groups[key] = (position, key, [value])
        else:
            group[2].append(value)
    return list(groups.values())
