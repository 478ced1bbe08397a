"""Parquet files as rows, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from chimed.readers import files as on_disk
from chimed.readers.files import Patterns
from chimed.source import BadRow, Row

BATCH = 1024


@dataclass(frozen=True, slots=True)
class ParquetRows:
    """Rows of Parquet files as dictionaries; `columns` are those that every file must have, and all that is read."""

    files: Patterns
    columns: frozenset[str]

    def find(self, folder: Path) -> list[str]:
        """Files of this source in `folder`."""
        return on_disk.find(folder, self.files)

    def faults(self, folder: Path, files: Sequence[str], root: Path | None = None) -> list[str]:
        """Files that are no Parquet or lack a column, in words."""
        return [fault for file in files if (fault := self._fault(folder, file, root))]

    def _fault(self, folder: Path, file: str, root: Path | None) -> str | None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        fault = on_disk.fault_of(folder, file, root, binary=b"PAR1")
        if fault:
            return fault
        try:
            names = set(pq.read_schema(folder / file).names)
        except (pa.ArrowException, OSError) as error:
            return f"{file}: not a sound Parquet file ({str(error).splitlines()[0]}). Write it again."
        missing = ", ".join(sorted(self.columns - names))
        return f"{file}: no column {missing}; it has {', '.join(sorted(names))}." if missing else None

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
