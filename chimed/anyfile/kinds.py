"""What a file is, by the ending of its name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from chimed.errors import DataError

Kind = Literal["jsonl", "parquet", "text"]
KINDS: dict[str, Kind] = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".parquet": "parquet", ".pq": "parquet", ".txt": "text",
}  # fmt: skip


def kind_of(path: Path) -> Kind:
    """The format that a file name says. Raises DataError for an ending that is not known."""
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise DataError(f"{path}: the ending {path.suffix!r} is not known. Known are: {', '.join(KINDS)}.")
    return kind
