"""A look into a release: some records, one by id, or lost rows with their reasons."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from chimed.errors import DataError, UsageError
from chimed.records import REASONS
from chimed.release import Release


def _rows(batches: Iterator[pa.RecordBatch], **wanted: str | None) -> Iterator[dict[str, Any]]:
    """Rows in which every named column that is asked for has the wanted value."""
    for batch in batches:
        for column, value in wanted.items():
            if value is not None:
                batch = batch.filter(pc.equal(batch.column(column), value))
        yield from batch.to_pylist()


def look(
    release: Release, name: str | None = None, *, source: str | None = None, lost: bool = False,
    reason: str | None = None, count: int = 5,
) -> list[dict[str, Any]]:  # fmt: skip
    """At most `count` published (or lost) rows, of one source or all, or the one with an id.

    `reason` is that of lost rows. Raises DataError for an id or source that this release does not have, UsageError for
    a reason that no row can be lost for, or one asked of published rows.
    """
    if source is not None and source not in {entry.source for entry in release.manifest.sources}:
        names = ", ".join(entry.source for entry in release.manifest.sources)
        raise DataError(f"{release.path.name}: no source {source!r}. It has: {names}.")
    _check_reason(reason, lost and name is None)
    published = itertools.chain.from_iterable(release.batches(part, source=source) for part in ("train", "validation"))
    if name is not None:
        found = next(itertools.chain(_rows(published, id=name), _rows(release.lost(), id=name)), None)
        if found is None:
            raise DataError(f"{release.path.name}: no row {name!r}, neither published nor lost.")
        return [found]
    chosen = _rows(release.lost(), source=source, reason=reason) if lost else _rows(published, source=source)
    return list(itertools.islice(chosen, count))


def not_taken_down(releases: Sequence[Release], names: Iterable[str]) -> list[str]:
    """Those ids and text hashes of a takedown that no lost row of the releases has: misspelt, or not in these files."""
    lost = {cell for release in releases for batch in release.lost() for cell in _names(batch)}
    return sorted(set(names) - lost)


def _names(batch: pa.RecordBatch) -> list[str]:
    return [*batch.column("id").to_pylist(), *batch.column("text_sha1").to_pylist()]


def _check_reason(reason: str | None, lost: bool) -> None:
    if reason is not None and not lost:
        raise UsageError("--reason goes with --lost: published rows have none.")
    if reason is not None and reason not in REASONS:
        close = get_close_matches(reason, REASONS, 1)
        hint = f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(REASONS)}."
        raise UsageError(f"no row is lost for the reason {reason!r}. {hint}")
