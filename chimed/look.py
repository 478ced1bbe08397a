"""A look into a release: some records, one by id, or lost rows with their reasons."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from chimed.errors import DataError
from chimed.release import Release


def _rows(batches: Iterator[pa.RecordBatch], source: str | None, name: str | None) -> Iterator[dict[str, Any]]:
    for batch in batches:
        for column, wanted in (("source", source), ("id", name)):
            if wanted is not None:
                batch = batch.filter(pc.equal(batch.column(column), wanted))
        yield from batch.to_pylist()


def look(
    release: Release, name: str | None = None, *, source: str | None = None, lost: bool = False, count: int = 5
) -> list[dict[str, Any]]:
    """At most `count` published (or lost) rows, of one source or all, or the one with an id.

    Raises DataError for an id or source that this release does not have.
    """
    if source is not None and source not in {entry.source for entry in release.manifest.sources}:
        names = ", ".join(entry.source for entry in release.manifest.sources)
        raise DataError(f"{release.path.name}: no source {source!r}. It has: {names}.")
    published = itertools.chain.from_iterable(release.batches(part, source=source) for part in ("train", "validation"))
    if name is not None:
        found = next(itertools.chain(_rows(published, None, name), _rows(release.lost(), None, name)), None)
        if found is None:
            raise DataError(f"{release.path.name}: no row {name!r}, neither published nor lost.")
        return [found]
    return list(itertools.islice(_rows(release.lost() if lost else published, source, None), count))
