"""The contract of one source on the user's own files: what would be read, kept and lost, and three sample records."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from chimed.build.inputs import Input, find
from chimed.build.parse import parse_rows
from chimed.errors import DataError
from chimed.formatter import publish
from chimed.ledger import Account
from chimed.records import SPLITS, Split
from chimed.source import Source, refuse_faults

SAMPLES = 3


def input_of(entry: Source, place: Path, split: Split) -> Input:
    """The files of a source below `place`, which is the upstream folder or the source's own folder.

    Raises DataError where there are none.
    """
    present, _ = find([entry], split, place)
    if present:
        return present[0]
    files = entry.files(place, split) if place.is_dir() else []
    if files:
        return Input(entry, place, tuple(files))
    raise DataError(
        f"{entry.name}: no files of this source in {entry.place(place)} or {place}. "
        f"{entry.obtain or 'Upstream: ' + entry.home}"
    )


def check(entry: Source, place: Path) -> dict[str, Any]:
    """Read a whole source and count; parsing alone, no duplicates are looked for.

    Returns the contract's shape with `samples`, `repairs` and, where rows are lost, the first `examples` per reason.
    """
    split = next(split for split in SPLITS if split in entry.serves)
    item = input_of(entry, place, split)
    refuse_faults([(item.source, item.folder, item.files)], place)
    account = Account(entry.name)
    samples: list[dict[str, Any]] = []
    examples: dict[str, str] = {}
    for parsed in parse_rows(entry, split, entry.reader.read(item.folder, item.files)):
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
    facts = {"files": list(item.files), "expected": entry.expected, "repairs": dict(Counter(account.repairs))}
    return account.summary() | facts | {"examples": examples, "samples": samples}
