"""Exact duplicates: equal normalised copies (and equal numbers, unless they are ignored)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from chimed.dedup.assemble import assemble, gathered, joined, no_ids
from chimed.dedup.found import Found, exact_groups
from chimed.dedup.near import Batches, Progress
from chimed.dedup.settings import NearSettings
from chimed.dedup.signing import Signed, permutations, sign
from chimed.dedup.sketches import Earlier, Released


def exact(
    batches: Batches, settings: NearSettings, work: Path, *, against: Released | None = None,
    progress: Progress | None = None,
) -> Found:  # fmt: skip
    """Find rows whose normalised copy was seen at a lower row. Of the settings only `numbers` counts; `work` is unused.

    One sweep; 28 bytes per row stay in memory.
    """
    earlier = Earlier(against) if against is not None else None
    kept = list(_signed(batches, settings, earlier, progress or (lambda done, total, words: None)))
    rows = gathered(kept, settings, earlier.rows if earlier else 0)
    groups = exact_groups(rows.prints, rows.numbers, rows.shingles)
    return assemble(rows, groups, joined([]), earlier.ids if earlier else no_ids)


def _signed(batches: Batches, settings: NearSettings, earlier: Earlier | None, tell: Progress) -> Iterator[Signed]:
    if earlier is not None:
        yield from earlier.signed(settings)
    none, row = permutations(0), 0
    for batch in batches():
        yield sign(batch.column("text"), none)
        row += batch.num_rows
        tell(row, None, "fingerprints")
