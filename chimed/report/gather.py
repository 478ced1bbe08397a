"""What the report shows: composition, lengths, losses, twins side by side, masked types, overlap, samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from chimed.parquet import read_batches
from chimed.release import Manifest, Release

ROWS, PAIRS, CHANGES = 240, 30, 20
LONGEST = 700


def gather(folder: Path, manifest: Manifest, local: bool = True) -> dict[str, Any]:
    """Everything the page draws, small enough to travel in it; lost and unmasked texts only when `local`."""
    release = Release(folder, manifest)
    local = local and (folder / "lost").is_dir()
    names = {entry.source for entry in manifest.sources}
    return {
        "name": manifest.name, "local": local, "split": manifest.split, "version": manifest.version, "rows": manifest.rows,
        "bytes": manifest.bytes,
        "sources": [
            entry.model_dump(include={"source", "domain", "kind", "license", "redistributable", "read", "kept", "records",
                                      "lost", "sampled", "text_bytes", "text_chars", "lengths", "steps"})
            for entry in manifest.sources
        ],
        "guard": manifest.steps.get("guard", {}), "overlap": overlap(folder), "samples": list(samples(release)),
        "twins": list(twins(release, names)) if local else [], "clusters": clusters(release) if local else [],
        "changes": list(changes(folder, names)) if local else [],
    }  # fmt: skip


def words_of(row: dict[str, Any], speakers: bool = True) -> str:
    """The texts of a published row as one, who speaks in brackets."""
    if "text" in row:
        return str(row["text"])
    turns = [(m["role"], m["content"]) for m in row.get("messages") or row["prompt"]]
    turns += [(side, row[side][0]["content"]) for side in ("chosen", "rejected") if side in row]
    return "\n".join((f"[{role}] " if speakers else "") + content for role, content in turns)


def cut(text: str, start: int = 0) -> str:
    """At most LONGEST characters from `start` on, with an ellipsis for what is left out."""
    end = start + LONGEST
    return ("…" if start else "") + text[start:end] + ("…" if len(text) > end else "")


def cut_alike(first: str, second: str) -> tuple[str, str]:
    """Two texts cut so that the first place where they differ is in sight."""
    pairs = enumerate(zip(first, second, strict=False))
    differ = next((i for i, (a, b) in pairs if a != b), min(len(first), len(second)))
    start = max(0, differ - LONGEST // 3) if differ > LONGEST // 2 else 0
    return cut(first, start), cut(second, start)


def samples(release: Release) -> Iterator[dict[str, str]]:
    """The first rows of every source, evenly many, cut short."""
    sources = release.manifest.sources
    each = max(1, ROWS // max(1, len(sources)))
    for entry in sources:
        left = each
        for batch in release.batches(source=entry.source):
            for row in batch.slice(0, left).to_pylist():
                yield {"id": row["id"], "source": row["source"], "text": cut(words_of(row))}
            left -= min(left, batch.num_rows)
            if not left:
                break


def twins(release: Release, names: set[str]) -> Iterator[dict[str, Any]]:
    """Some lost duplicates beside the rows they were lost to; similar pairs first, for they are the ones to look at."""
    found: list[dict[str, Any]] = []
    for batch in release.lost(["id", "source", "reason", "twin", "similarity", "preview"]):
        near = batch.filter(pc.is_valid(batch.column("twin")))
        found += [row for row in near.to_pylist() if row["source"] in names and row["preview"]]
        found = sorted(found, key=lambda row: (row["similarity"], row["id"]))[:PAIRS]
    kept = published(release, {row["twin"] for row in found})
    for row in found:
        if row["twin"] in kept:
            # A preview may be cut already: then the rest of its twin is no difference.
            stayed = kept[row["twin"]][: LONGEST if len(row["preview"]) >= LONGEST else None]
            lost, stayed = cut_alike(row["preview"], stayed)
            yield {key: row[key] for key in ("id", "reason", "twin")} | {
                "similarity": round(row["similarity"], 3), "lost": lost, "kept": stayed,
            }  # fmt: skip


def clusters(release: Release) -> list[tuple[int, int]]:
    """(size, how many): groups of one kept row and the duplicates that were lost to it."""
    seen: Counter[str] = Counter()
    for batch in release.lost(["twin"]):
        seen.update(twin for twin in batch.column("twin").to_pylist() if twin)
    return sorted(Counter(size + 1 for size in seen.values()).items())


def published(release: Release, ids: set[str]) -> dict[str, str]:
    """Texts of the published rows with these ids."""
    texts: dict[str, str] = {}
    wanted = pa.array(sorted(ids), pa.string())
    for source in sorted({name.split(":")[0] for name in ids}):
        for batch in release.batches(source=source):
            for row in batch.filter(pc.is_in(batch.column("id"), wanted)).to_pylist():
                texts[row["id"]] = words_of(row, speakers=False)
    return texts


def changes(folder: Path, names: set[str]) -> Iterator[dict[str, str]]:
    """Rows that cleaning or masking changed, before and after (local only: a published copy has none)."""
    path = folder / "samples" / "part-00000.parquet"
    if not path.is_file():
        return
    rows = [row for batch in read_batches(path) for row in batch.to_pylist() if row["source"] in names]
    for row in rows[:CHANGES]:
        before, after = cut_alike(row["before"], row["after"])
        yield {"id": row["id"], "before": before, "after": after, "did": row["did"]}


def overlap(folder: Path) -> list[dict[str, Any]]:
    """Per evaluation set: items seen at all, by tenths of coverage, and those that count as contaminated."""
    path = folder / "overlap.parquet"
    if not path.is_file():
        return []
    found: dict[str, dict[str, Any]] = {}
    for batch in read_batches(path):
        for row in batch.to_pylist():
            entry = found.setdefault(
                row["set"], {"set": row["set"], "items": 0, "contaminated": 0, "clean": [0] * 10, "leaks": [0] * 10}
            )
            entry["items"] += 1
            entry["contaminated"] += row["contaminated"]
            entry["leaks" if row["contaminated"] else "clean"][min(9, int(row["coverage"] * 10))] += 1
    return [found[name] for name in sorted(found)]
