"""Masks a column of anyone's file: plain text, JSON Lines or Parquet; strings, or lists of messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chimed.anyfile import rewrite
from chimed.errors import DataError, UsageError
from chimed.privacy.masker import Masker

Report = Callable[[float], None]


@dataclass
class FileCounts:
    """What masking a file did: rows seen, rows changed, replacements by type."""

    rows: int = 0
    changed: int = 0
    counts: Counter[str] = field(default_factory=Counter)


def _value(value: Any, masker: Masker, counts: Counter[str]) -> Any:
    """The masked value: a string, or the strings and message contents of a list; a null stays."""
    if isinstance(value, str):
        masked = masker.mask(value)
        counts.update(masked.counts)
        return masked.text
    if isinstance(value, list):
        return [_value(item, masker, counts) for item in value]
    if isinstance(value, dict):
        return {key: _value(v, masker, counts) if key in {"content", "value"} else v for key, v in value.items()}
    if value is None:
        return None
    raise DataError(f"the column holds {type(value).__name__}, not text or messages. Name another with --column.")


def mask_file(source: Path, out: Path, column: str, masker: Masker, report: Report = lambda done: None) -> FileCounts:
    """Write `source` to `out` with one column masked; all else stays. `report` gets the number of rows done.

    Raises DataError for an unreadable file, an unknown ending, a column that is absent or holds no text, UsageError
    where the output would take the place of the input.
    """
    if out.exists() and source.exists() and source.samefile(out):
        raise UsageError(f"{out} is read and written. Give --out another name.")
    total = FileCounts()

    def change(values: list[Any]) -> list[Any]:
        if values and total.rows == 0 and all(value is None for value in values):
            raise DataError(
                f"{source}: no column '{column}' in its first {len(values)} rows. Name another with --column."
            )
        masked = [_value(value, masker, total.counts) for value in values]
        total.rows += len(values)
        total.changed += sum(old != new for old, new in zip(values, masked, strict=True))
        report(total.rows)
        return masked

    rewrite([source], out, column, change)
    return total
