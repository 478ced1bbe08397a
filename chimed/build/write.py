"""Last step of a build: shards, side files, checksums, and the manifest when all else is done."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from chimed.build import rows
from chimed.build.lanes import LOST, TRAIN, VALIDATION, Lanes
from chimed.errors import ConflictError
from chimed.ledger import Account
from chimed.parquet import Shard, published_schema, write_one, write_shards
from chimed.recipe import Dedup
from chimed.records import REASONS, RELEASE_NAMES, Split
from chimed.release import MANIFEST, NOTE, FileEntry

PARTS = ((TRAIN, "train"), (VALIDATION, "validation"))


def write_data(
    folder: Path, lanes: Lanes, split: Split, times: dict[str, int]
) -> tuple[list[FileEntry], dict[str, dict[str, int]]]:
    """Write the shards of every source; returns their entries and rows per source and part."""
    files: list[FileEntry] = []
    rows_of: dict[str, dict[str, int]] = {}
    for lane in lanes.lanes:
        counts = {}
        for fate, part in PARTS:
            copies = times.get(lane.source.name, 1) if fate == TRAIN else 1
            batches = rows.published(lanes, lane, split, fate, copies)
            shards = write_shards(folder / "data" / lane.source.name, part, batches, published_schema(split))
            files += [entry(shard, folder) for shard in shards]
            counts[part] = sum(shard.rows for shard in shards)
        rows_of[lane.source.name] = counts
    return files, rows_of


def write_sides(folder: Path, lanes: Lanes) -> list[FileEntry]:
    """Write lost/ and origin/ (both stay local)."""
    lost = write_one(folder / "lost" / "part-00000.parquet", rows.losses(lanes), rows.LOSSES)
    origin = write_one(folder / "origin" / "part-00000.parquet", rows.origins(lanes), rows.ORIGIN)
    return [entry(lost, folder), entry(origin, folder)]


def write_sketches(folder: Path, lanes: Lanes, split: Split, words: Dedup, times: dict[str, int]) -> list[FileEntry]:
    """Write sketches/ in the order of the shards (all train, then all validation), for later releases and anyone's
    datasketch. The 9,000 hashes of `lee2022` would outweigh the texts: it publishes the default's 128.
    """
    if words.method == "off":
        return []
    from chimed import dedup  # its compiled code takes a second to load

    preset = "default" if words.preset == "lee2022" else words.preset
    settings = dedup.NearSettings.preset(preset, words.threshold, words.numbers)
    batches = (
        dedup.compared(batch, split)
        for fate, _ in PARTS
        for lane in lanes.lanes
        for batch in rows.published(lanes, lane, split, fate, times.get(lane.source.name, 1) if fate == TRAIN else 1)
    )
    return [entry(dedup.write_sketches(folder / "sketches" / "part-00000.parquet", batches, settings), folder)]


def entry(shard: Shard, folder: Path) -> FileEntry:
    """The manifest's line about a Parquet file."""
    return FileEntry(
        path=shard.path.relative_to(folder).as_posix(), sha256=shard.sha256, bytes=shard.bytes, rows=shard.rows,
        content_sha256=shard.content_sha256 or None,
    )  # fmt: skip


def accounts(lanes: Lanes, counts: dict[str, dict[str, int]]) -> list[Account]:
    """The ledger of every source, closed. Raises DataError where it does not close."""
    result = []
    for lane in lanes.lanes:
        account = Account(lane.source.name, read=lane.read, sampled=rows.sampled_rows(lanes, lane))
        fates = lanes.fate[lane.start : lane.start + len(lane)]
        reasons = lanes.reason[lane.start : lane.start + len(lane)]
        account.kept = int(lane.rows[(fates == TRAIN) | (fates == VALIDATION)].sum())
        account.records = sum(counts[lane.source.name].values())
        for number, reason in enumerate(REASONS, start=1):
            lost = int(lane.rows[(fates == LOST) & (reasons == number)].sum())
            if lost:
                account.lose(reason, lost)
        account.close()
        result.append(account)
    return result


def set_aside(fresh: Path, split: Split) -> Path:
    """Where the older release lies while the fresh one takes its place."""
    return fresh.with_name(f"{RELEASE_NAMES[split]}.old")


def refuse_to_replace(places: Iterable[Path]) -> None:
    """Raise ConflictError where a release would take the place of something that no build has written."""
    for place in places:
        ours = any((place / name).is_file() for name in (MANIFEST, NOTE))
        if place.exists() and not ours and not (place.is_dir() and not any(place.iterdir())):
            raise ConflictError(f"{place}: no release, and in the way of one. Move it, or name another --out.")


def replace_folder(fresh: Path, target: Path, old: Path) -> None:
    """Put a finished folder in the place of an older one, which is set aside and then removed."""
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.replace(old)
    fresh.replace(target)
    shutil.rmtree(old, ignore_errors=True)
