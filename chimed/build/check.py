"""The contract of one source on the user's own files: what would be read, kept and lost, and three sample records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chimed.build.inputs import Input, find
from chimed.build.parse import Parsed, parse_rows
from chimed.errors import DataError
from chimed.formatter import publish
from chimed.ledger import Account
from chimed.records import SPLITS, Split
from chimed.source import Source, refuse_faults

SAMPLES = 3


def inputs_of(entry: Source, place: Path) -> list[tuple[Split, Input]]:
    """The files of a source below `place`, which is the upstream folder or the source's own folder.

    One input per split where splits have files of their own, else one. Raises DataError where there are none.
    """
    splits = [split for split in SPLITS if split in entry.serves]
    found = []
    for split in splits if entry.split_files else splits[:1]:
        present, _ = find([entry], split, place)
        files = entry.files(place, split) if place.is_dir() else []
        if present:
            found.append((split, present[0]))
        elif files:
            found.append((split, Input(entry, place, tuple(files))))
    if not found:
        raise DataError(
            f"{entry.name}: no files of this source in {entry.place(place)} or {place}. "
            f"{entry.obtain or 'Upstream: ' + entry.home}"
        )
    return found


def check(entry: Source, place: Path) -> dict[str, Any]:
    """Read a whole source and count; parsing alone, no duplicates are looked for.

    Returns the contract's shape with `samples`, `repairs` and, where rows are lost, the first `examples` per reason.
    """
    inputs = inputs_of(entry, place)
    refuse_faults([(item.source, item.folder, item.files) for _, item in inputs], place)
    account = Account(entry.name)
    samples: list[dict[str, Any]] = []
    examples: dict[str, str] = {}
    for split, parsed in _parsed(entry, inputs):
        row = parsed.row
        account.read += row.rows
        if parsed.texts is None or parsed.record is None:
            reason = parsed.reason or "wrong_shape"
            account.lose(reason, row.rows)
            detail = f": {parsed.detail}" if parsed.detail else ""
            examples.setdefault(reason, f"{row.file}, row {row.position}{detail}")
            continue
        account.kept += row.rows
        account.records += 1
        account.repairs.update(parsed.record.repairs)
        if len(samples) < SAMPLES:
            samples.append({"file": row.file, "position": row.position} | publish(split, *parsed.texts))
    account.close()
    facts = {
        "files": [file for _, item in inputs for file in item.files],
        "row_unit": entry.row_unit,
        "expected": entry.expected,
        "repairs": dict(Counter(account.repairs)),
    }
    return account.summary() | facts | {"examples": examples, "samples": samples}


def _parsed(entry: Source, inputs: list[tuple[Split, Input]]) -> Iterator[tuple[Split, Parsed]]:
    for split, item in inputs:
        for parsed in parse_rows(entry, split, entry.reader.read(item.folder, item.files)):
            yield split, parsed
