"""Exact duplicates: equal normalised copies (and equal numbers, unless they are ignored)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from chimed.dedup.found import Found, exact_groups
from chimed.dedup.near import Against, Batches, Progress, assemble, gathered, joined
from chimed.dedup.settings import NearSettings
from chimed.dedup.signing import Signed, permutations, sign


def exact(
    batches: Batches, settings: NearSettings, work: Path, *, against: Against | None = None,
    progress: Progress | None = None,
) -> Found:  # fmt: skip
    """Find rows whose normalised copy was seen at a lower row. Of the settings only `numbers` counts; `work` is unused.

    One sweep; 28 bytes per row stay in memory.
    """
    kept = list(_signed(batches, settings, against, progress or (lambda done, total, words: None)))
    rows = gathered(kept, settings, against.rows if against else 0)
    return assemble(rows, exact_groups(rows.prints, rows.numbers, rows.shingles), joined([]))


def _signed(batches: Batches, settings: NearSettings, against: Against | None, tell: Progress) -> Iterator[Signed]:
    if against is not None:
        yield from against.signed(settings)
    none, row = permutations(0), 0
    for batch in batches():
        yield sign(batch.column("text"), none)
        row += batch.num_rows
        tell(row, None, "fingerprints")
