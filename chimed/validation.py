"""Whether a release is what its manifest says: checksums, schema of every row, the ledger, the card's numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from chimed.parquet import count_rows, published_schema, read_batches, read_schema, sha256_of
from chimed.records import REASONS, ROW_MODELS
from chimed.release import LOCAL_ONLY, MANIFEST, Release

MOST = 20  # problems of one kind that are listed
EVERY = 97  # every so many rows one is held against the pydantic model as a whole
SUMS = "SHA256SUMS"


def validate(release: Release, report: Callable[..., None] = lambda *_, **__: None) -> list[str]:
    """All problems found, none for a sound release; reads every file once."""
    problems = [*_files(release, report), *_ledger(release), *_card(release), *_sums(release)]
    return problems if problems else [*_rows(release, report), *_lost(release)]


def _files(release: Release, report: Callable[..., None]) -> Iterator[str]:
    entries = release.manifest.files
    for number, entry in enumerate(entries, start=1):
        report(number, len(entries), f"checksum {entry.path}")
        path = release.path / entry.path
        if not path.is_file():
            if entry.path.split("/")[0] not in LOCAL_ONLY:
                yield f"{entry.path}: missing. Copy it again or rebuild."
        elif path.stat().st_size != entry.bytes or sha256_of(path) != entry.sha256:
            yield f"{entry.path}: bytes differ from the manifest. Copy it again or rebuild."
        elif entry.rows is not None and count_rows(path) != entry.rows:
            yield f"{entry.path}: row count differs from the manifest's {entry.rows}."
    listed = {entry.path for entry in entries}
    for path in sorted((release.path / "data").rglob("*")):
        name = path.relative_to(release.path).as_posix()
        if path.is_file() and name not in listed:
            yield f"{name}: not in the manifest. Remove it or rebuild."


def _ledger(release: Release) -> Iterator[str]:
    manifest = release.manifest
    for entry in manifest.sources:
        booked = entry.kept + sum(entry.lost.values()) + entry.sampled
        if booked != entry.read:
            yield f"{entry.source}: ledger does not close: read {entry.read}, booked {booked}."
        strange = sorted(set(entry.lost) - set(REASONS))
        if strange:
            yield f"{entry.source}: reasons outside the closed list: {', '.join(strange)}."
        rows = sum(f.rows or 0 for f in manifest.files if f.path.startswith(f"data/{entry.source}/"))
        if rows != entry.records:
            yield f"{entry.source}: {rows} rows in its shards, {entry.records} records in the ledger."
    if sum(entry.records for entry in manifest.sources) != manifest.rows:
        yield f"{MANIFEST}: rows {manifest.rows} is not the sum of its sources."


def _card(release: Release) -> Iterator[str]:
    """The row counts in the card's metadata are those of the manifest."""
    path = release.path / "README.md"
    if not path.is_file():
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    head = text.split("\n---", 1)[0]
    train = sum(entry.train for entry in release.manifest.sources)
    counts = {int(number) for number in re.findall(r"num_examples: (\d+)", head)}
    if counts and train not in counts:
        yield f"README.md: no configuration with the manifest's {train} training rows. Build the card again."


def _sums(release: Release) -> Iterator[str]:
    path = release.path / SUMS
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        digest, _, name = line.partition("  ")
        file = release.path / name
        if not file.is_file() or sha256_of(file) != digest:
            yield f"{SUMS}: {name} differs or is missing."


def _rows(release: Release, report: Callable[..., None]) -> Iterator[str]:
    """Schema and shape of every published row, unique ids, and a model check of some."""
    seen: set[int] = set()
    shards = release.shards("train") + release.shards("validation")
    for number, shard in enumerate(shards, start=1):
        report(number, len(shards), f"rows of {shard.name}")
        yield from _shard(release, shard, seen)


def _shard(release: Release, shard: Path, seen: set[int]) -> Iterator[str]:
    name = shard.relative_to(release.path).as_posix()
    wanted = published_schema(release.split)
    if not read_schema(shard).equals(wanted):
        yield f"{name}: columns differ from the schema of {release.split}."
        return
    start = 0
    for batch in read_batches(shard):
        hashes = [hash(value) for value in batch.column("id").to_pylist()]
        if not seen.isdisjoint(hashes) or len(set(hashes)) != len(hashes):
            yield f"{name}: an id stands twice near row {start}."
        seen.update(hashes)
        yield from (f"{name}: {problem}" for problem in _columns(batch))
        yield from _models(release, name, batch, start)
        start += batch.num_rows


def _columns(batch: pa.RecordBatch) -> Iterator[str]:
    """Columnar form of the row models: no null, no empty text, known words."""
    for field in batch.schema:
        column = batch.column(field.name)
        if column.null_count:
            yield f"{column.null_count} nulls in {field.name}."
        if pa.types.is_string(field.type) and pc.any(pc.equal(pc.utf8_length(column), 0)).as_py():
            yield f"an empty {field.name}."
        if pa.types.is_list(field.type):
            content = pc.struct_field(column.flatten(), "content")
            if pc.any(pc.equal(pc.utf8_length(content), 0)).as_py():
                yield f"an empty message in {field.name}."


def _models(release: Release, name: str, batch: pa.RecordBatch, start: int) -> Iterator[str]:
    model = ROW_MODELS[release.split]
    for row in range(-start % EVERY, batch.num_rows, EVERY):
        try:
            model.model_validate(batch.slice(row, 1).to_pylist()[0])
        except ValidationError as error:
            yield f"{name}, row {start + row}: {error.errors()[0]['msg']}."


def _lost(release: Release) -> Iterator[str]:
    """Losses by reason in lost/ are those of the ledger (where lost/ is here: it is never published)."""
    if not (release.path / "lost").is_dir():
        return
    booked: dict[tuple[str, str], int] = {}
    for batch in release.lost(["source", "reason", "rows"]):
        for row in batch.to_pylist():
            key = row["source"], row["reason"]
            booked[key] = booked.get(key, 0) + row["rows"]
    stated = {(e.source, reason): n for e in release.manifest.sources for reason, n in e.lost.items()}
    for key in sorted(booked.keys() | stated.keys()):
        if booked.get(key, 0) != stated.get(key, 0):
            yield f"{key[0]}: lost/ has {booked.get(key, 0)} rows for {key[1]}, the ledger {stated.get(key, 0)}."
