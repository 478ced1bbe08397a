"""From a published or lost id back to the upstream row, and what each step did to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from chimed import source
from chimed.errors import DataError
from chimed.release import NOTE, Release
from chimed.source import Source
from chimed.sources import own_files


def find_row(release: Release, name: str) -> dict[str, Any]:
    """The origin (or loss) of an id: id, source, file, position, steps and, for a lost row, reason and twin.

    Raises DataError for an id that this release neither published nor lost.
    """
    plain = name.split("#")[0]
    for kind, batches in (("published", release.origins()), ("lost", release.lost())):
        for batch in batches:
            hit = batch.filter(pc.equal(batch.column("id"), plain))
            if hit.num_rows:
                row = hit.to_pylist()[0]
                return row | (row.pop("origin", None) or {}) | {"state": kind}
    if not (release.path / "origin").is_dir():
        raise DataError(f"{release.path}: no origin/ here: it stays with who built the release. Trace {name} there.")
    raise DataError(f"{release.path.name}: no row {name!r}, neither published nor lost. chimed look lists ids.")


def upstream_of(release: Release) -> Path:
    """The folder of upstream files that the release was built from, as noted on this machine, or ./upstream."""
    try:
        note = json.loads((release.path / NOTE).read_text(encoding="utf-8"))
        place = Path(note["from"])
    except (OSError, ValueError, KeyError, TypeError):  # the note is a help, no part of the release
        place = Path()
    return place if place.is_absolute() and place.is_dir() else Path("upstream")


def source_named(release: Release, name: str) -> Source:
    """The source of that name as the release's recipe sets or defines it."""
    words = release.manifest.settings["recipe"]
    for table in words["source"]:
        if table.get("name") == name:
            return own_files.from_table(table)
    return source.load(name).with_options(words["options"].get(name, {}))


def _decoded(raw: bytes) -> str:
    """The bytes as text in the encoding they are in: UTF-8 or GB18030, else escaped."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("utf-8", "backslashreplace")


def trace(release: Release, name: str, root: Path | None = None) -> dict[str, Any]:
    """Id, source, origin, raw upstream row and steps.

    Raises DataError for an unknown id, absent upstream files, or files that are not those of the build.
    """
    row = find_row(release, name)
    entry = source_named(release, row["source"])
    folder = entry.place(root or upstream_of(release))
    file = folder / row["file"]
    if not file.exists():
        raise DataError(f"{file}: not here. Name the folder of the upstream files with --from.")
    known = {f.path: f for s in release.manifest.sources if s.source == row["source"] for f in s.files}
    if row["file"] in known and known[row["file"]].bytes != file.stat().st_size:
        raise DataError(f"{file}: not the file of this build (other size). Name the right folder with --from.")
    raw = entry.reader.raw(folder, row["file"], row["position"])
    result = {
        "id": name, "source": row["source"], "origin": {"file": row["file"], "position": row["position"]},
        "raw": _decoded(raw), "steps": json.loads(row["steps"]), "state": row["state"],
        "metadata": json.loads(row.get("metadata") or "{}"), "text_sha1": row["text_sha1"],
    }  # fmt: skip
    return result | {key: row[key] for key in ("reason", "twin", "similarity", "title") if row.get(key) is not None}
