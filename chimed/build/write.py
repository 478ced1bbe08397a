"""Last step of a build: shards, side files, checksums, and the manifest when all else is done."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from chimed import staging
from chimed.build import rows
from chimed.build.inputs import Input
from chimed.build.lanes import LOST, TRAIN, VALIDATION, Lane, Lanes
from chimed.ledger import Account, ordered
from chimed.parquet import Shard, published_schema, write_one, write_shards
from chimed.records import REASONS, Split
from chimed.release import FileEntry, SourceEntry

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


def source_entries(
    inputs: list[Input], lanes: Lanes, ledger: list[Account], counts: dict[str, dict[str, int]]
) -> list[SourceEntry]:
    """The manifest's entry of every source."""
    by_name = {item.source.name: item for item in inputs}
    return [
        _source_entry(by_name[lane.source.name], lane, lanes, account, counts[lane.source.name])
        for lane, account in zip(lanes.lanes, ledger, strict=True)
    ]


def _source_entry(item: Input, lane: Lane, lanes: Lanes, account: Account, counts: dict[str, int]) -> SourceEntry:
    facts = _measure(lane, lanes)
    return SourceEntry(
        source=item.source.name, home=item.source.home, license=item.source.license,
        redistributable=item.source.redistributable, attribution=item.source.attribution, notice=item.source.notice,
        revision=item.source.revision, domain=item.source.domain, kind=item.source.kind,
        licenses=dict(sorted(facts["licenses"].items())), files=item.upstream_files(), read=account.read,
        kept=account.kept, records=account.records, lost=ordered(account.lost), sampled=account.sampled,
        repairs=dict(sorted(facts["repairs"].items())), train=counts["train"], validation=counts["validation"],
        text_bytes=facts["bytes"], text_chars=facts["chars"], steps=facts["steps"],
    )  # fmt: skip


def _measure(lane: Lane, lanes: Lanes) -> dict[str, Any]:
    """What the kept rows of a source are: text size, licences, repairs, and what each step changed."""
    facts: dict[str, Any] = {"bytes": 0, "chars": 0, "licenses": Counter(), "repairs": Counter()}
    steps: dict[str, Counter[str]] = {"clean": Counter(), "mask": Counter(), "quality": Counter()}
    start = lane.start
    for part in staging.read_parts(lane.parts):
        fates = pa.array(lanes.fate[start : start + part.num_rows])
        start += part.num_rows
        kept = part.filter(pc.is_in(fates, pa.array([TRAIN, VALIDATION], pa.uint8())))
        texts = kept.column("texts").flatten()
        facts["bytes"] += pc.sum(pc.binary_length(texts)).as_py() or 0
        facts["chars"] += pc.sum(pc.utf8_length(texts)).as_py() or 0
        facts["licenses"].update(_counts(kept.column("license")))
        for cell, times in _counts(kept.column("repairs")).items():
            facts["repairs"].update(dict.fromkeys(cell.split(","), times))
        _count_steps(kept, steps)
    return facts | {"steps": {name: dict(sorted(counter.items())) for name, counter in steps.items() if counter}}


def _count_steps(kept: pa.RecordBatch, steps: dict[str, Counter[str]]) -> None:
    import json

    for column, name in (("cleaned", "clean"), ("flags", "quality")):
        for cell, times in _counts(kept.column(column)).items():
            for word in cell.split(","):
                steps[name][word] += times
    for cell, times in _counts(kept.column("masked")).items():
        for word, count in json.loads(cell).items():
            steps["mask"][word] += count * times


def _counts(column: pa.Array) -> dict[str, int]:
    """How often each value stands in a column; nulls do not count."""
    pairs = pc.value_counts(column.drop_null()).to_pylist()
    return {pair["values"]: pair["counts"] for pair in pairs}


def replace_folder(fresh: Path, target: Path) -> None:
    """Put a finished folder in the place of an older one."""
    old = fresh.with_name(f"{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.replace(old)
    fresh.replace(target)
    shutil.rmtree(old, ignore_errors=True)


Finish = Callable[[Path], list[FileEntry]]
