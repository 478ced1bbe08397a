"""Parquet files as rows, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import orjson

from chimed.readers.files import FileReader
from chimed.source import BadRow, Row

BATCH = 1024


@dataclass(frozen=True, slots=True)
class ParquetRows(FileReader):
    """Rows of Parquet files as dictionaries; `columns` are those that every file must have, and all that is read."""

    columns: frozenset[str]

    _begins: ClassVar[bytes | None] = b"PAR1"

    def _misfit(self, path: Path) -> str | None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            names = set(pq.read_schema(path).names)
        except (pa.ArrowException, OSError) as error:
            return f"not a sound Parquet file ({str(error).splitlines()[0]}). Write it again."
        missing = ", ".join(sorted(self.columns - names))
        return f"no column {missing}; it has {', '.join(sorted(names))}." if missing else None

    def read(self, folder: Path, files: Sequence[str]) -> Iterator[Row | BadRow]:
        """Rows in the order of files and rows."""
        for file in files:
            for position, value in enumerate(self._values(folder / file), 1):
                yield Row(file, position, value)

    def raw(self, folder: Path, file: str, position: int) -> bytes:
        """A row as JSON: a columnar file has no bytes of its own for a row."""
        for at, value in enumerate(self._values(folder / file), 1):
            if at == position:
                return bytes(orjson.dumps(value, default=str))
        raise LookupError(f"{file} has no row {position}")

    def _values(self, path: Path) -> Iterator[dict[str, Any]]:
        import pyarrow.parquet as pq

        with pq.ParquetFile(path, pre_buffer=False) as opened:
            for batch in opened.iter_batches(BATCH, columns=sorted(self.columns), use_threads=False):
                yield from batch.to_pylist()
