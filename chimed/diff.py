"""What changed between two releases, the version number that follows from it, and the changelog."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from chimed.errors import DataError
from chimed.release import Manifest, Release

Table = tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]


def _number(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest())


def _rows(release: Release, source: str) -> Table:
    """64-bit hashes of id and content of every row of a source, sorted by id: 16 bytes a row."""
    ids: list[int] = []
    contents: list[int] = []
    for part in ("train", "validation"):
        for batch in release.batches(part, source=source):
            for row in batch.to_pylist():
                ids.append(_number(row["id"].encode()))
                contents.append(_number(orjson.dumps(row, option=orjson.OPT_SORT_KEYS)))
    numbers = np.array(ids, np.uint64)
    order = np.argsort(numbers)
    return numbers[order], np.array(contents, np.uint64)[order]


def diff(old: Release, new: Release) -> dict[str, Any]:
    """Added, removed and changed rows per source (changed: same id, other published content), and the next version.

    Raises DataError for releases of two splits.
    """
    if old.split != new.split:
        raise DataError(f"{old.path} is {old.split}, {new.path} is {new.split}: only releases of one split compare.")
    names = sorted({entry.source for release in (old, new) for entry in release.manifest.sources})
    sources = {name: _compare(_rows(old, name), _rows(new, name)) for name in names}
    total = {key: sum(counts[key] for counts in sources.values()) for key in ("added", "removed", "changed")}
    return {"sources": sources, "total": total, "version": next_version(old.manifest.version, total)}


def _compare(old: Table, new: Table) -> dict[str, int]:
    _, here, there = np.intersect1d(old[0], new[0], assume_unique=True, return_indices=True)
    changed = int((old[1][here] != new[1][there]).sum())
    return {"added": len(new[0]) - len(there), "removed": len(old[0]) - len(here), "changed": changed}


def next_version(version: str, total: dict[str, int]) -> str:
    """Major when rows changed or left, minor when rows came, else the same (Croissant's reading of semantic versions).

    A patch is for packaging alone, which rows do not show.
    """
    major, minor, _ = (int(part) for part in version.split("."))
    if total["changed"] or total["removed"]:
        return f"{major + 1}.0.0"
    return f"{major}.{minor + 1}.0" if total["added"] else version


def first_entry(manifest: Manifest) -> str:
    """The changelog of a release without a predecessor."""
    lines = [f"# Changelog of {manifest.name}", "", f"## {manifest.version}", ""]
    lines += [f"- {entry.source}: {entry.records:,} rows" for entry in manifest.sources]
    return "\n".join(lines) + "\n"


def next_entry(old: Release, result: dict[str, Any]) -> str:
    """The old release's changelog with a section for the changes on top."""
    path = old.path / "CHANGELOG.md"
    earlier = path.read_text(encoding="utf-8") if path.is_file() else first_entry(old.manifest)
    title, _, rest = earlier.partition("\n## ")
    lines = [
        f"- {name}: {counts['added']:,} added, {counts['removed']:,} removed, {counts['changed']:,} changed"
        for name, counts in result["sources"].items()
        if any(counts.values())
    ] or ["- packaging only"]
    return f"{title}\n## {result['version']}\n\n" + "\n".join(lines) + f"\n\n## {rest}"
