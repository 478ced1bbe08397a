"""Rows joined by a key over a whole file, out of core: millions of triples become one row for each head.

DuckDB sorts them on disk by (first place of their key, own place), so memory does not grow with the file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from chimed.source import BadRow, Reader, Row, Skip

BATCH = 50_000
MEMORY = "256MB"


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
        import duckdb
        import pyarrow as pa

        database = duckdb.connect(str(place / "rows.duckdb"))
        try:
            database.execute(f"SET memory_limit='{MEMORY}'; SET threads=1; SET temp_directory='{place / 'spill'}'")
            database.execute("CREATE TABLE rows (key VARCHAR, position BIGINT, value BLOB)")
            batch: list[tuple[str, int, bytes]] = []
            for row in self.reader.read(folder, [file]):
                if isinstance(row, BadRow):
                    yield row
                    continue
                try:
                    batch.append((self.key(row.value), row.position, orjson.dumps(row.value)))
                except Skip as skip:
                    yield BadRow(file, row.position, skip.reason, skip.detail, orjson.dumps(row.value))
                if len(batch) == BATCH:
                    _insert(database, pa, batch)
                    batch = []
            _insert(database, pa, batch)
            yield from _groups(database, file)
        finally:
            database.close()


def _insert(database: Any, pa: Any, batch: list[tuple[str, int, bytes]]) -> None:
    if batch:
        keys, positions, values = zip(*batch, strict=True)
        arrays = [pa.array(keys, pa.string()), pa.array(positions, pa.int64()), pa.array(values, pa.binary())]
        database.register("batch", pa.table(arrays, names=["key", "position", "value"]))
        database.execute("INSERT INTO rows SELECT * FROM batch")
        database.unregister("batch")


def _groups(database: Any, file: str) -> Iterator[Row]:
    rows = database.execute(
        "SELECT heads.first, rows.key, rows.value FROM rows "
        "JOIN (SELECT key, min(position) AS first FROM rows GROUP BY key) heads USING (key) "
        "ORDER BY heads.first, rows.position"
    )
    flat = (row for batch in iter(lambda: rows.fetchmany(BATCH), []) for row in batch)
    for (first, key), group in groupby(flat, key=lambda row: (row[0], row[1])):
        values = [orjson.loads(value) for _, _, value in group]
        yield Row(file, first, values, rows=len(values), key=key)
