"""Scores on all, clean and contaminated items, by the overlap file of the releases that a model was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chimed.errors import DataError
from qilin_stages.evals.task import Item, Mode, Row, Task

FILE = "overlap.parquet"


def contaminated(paths: Sequence[Path]) -> set[tuple[str, str]]:
    """(set, item) pairs that the overlap files (or releases) call contaminated.

    Raises DataError where there is no such file or it has not the columns `set` and `item`.
    """
    import pyarrow.parquet as pq

    found: set[tuple[str, str]] = set()
    for path in paths:
        file = path / FILE if path.is_dir() else path
        if not file.is_file():
            raise DataError(f"{file}: no overlap file. Build the release with --evalsets to get one.")
        table = pq.read_table(file)
        if not {"set", "item"} <= set(table.column_names):
            raise DataError(f"{file}: expected the columns set and item, found {', '.join(table.column_names)}.")
        found |= {(row["set"], row["item"]) for row in table.to_pylist() if _trained_on(row)}
    return found


def _trained_on(row: dict[str, Any]) -> bool:
    """A hit counts if it is one by the guard's rule and its record was published, not dropped."""
    return bool(row.get("contaminated", True) and row.get("published", True))


def parts(
    task: Task, items: Sequence[Item], rows: Sequence[Row], protocol: Mode, dirty: set[tuple[str, str]]
) -> dict[str, Any]:
    """The summaries of clean and of contaminated items, each with its n; None where there are none."""
    out: dict[str, Any] = {}
    for name, wanted in (("clean", False), ("contaminated", True)):
        kept = [i for i, item in enumerate(items) if ((item.set, item.id) in dirty) is wanted]
        some = [items[i] for i in kept]
        out[name] = task.summary(some, [rows[i] for i in kept], protocol) if kept else None
    return out
