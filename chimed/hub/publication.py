"""The folder that a push publishes, made from a release: allowed rows, recipes for the rest, documents to match."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from chimed import export, licences
from chimed.configs import TRAINERS, configs, metadata
from chimed.errors import DataError
from chimed.licences import Refused
from chimed.parquet import Shard, read_batches, sha256_of, write_one
from chimed.release import LOCAL_ONLY, MANIFEST, FileEntry, Manifest, Release

SUMS = "SHA256SUMS"
# Written anew for what is published; the report quotes rows, so it only travels with a release that travels whole.
_RENDERED = ("README.md", "LICENSE.md", "dataset_info.json", "croissant.json", "report.html", MANIFEST, SUMS)

Documents = Callable[[Manifest, Release, str], dict[str, str]]


@dataclass(frozen=True)
class Publication:
    """What a push handles: path in the repository -> local file, its manifest, and the sources that stay at home."""

    files: dict[str, Path]
    manifest: Manifest
    refused: list[Refused]


def assemble(
    release: Release,
    folder: Path,
    repo_id: str,
    *,
    include_restricted: bool = False,
    documents: Documents | None = None,
) -> Publication:
    """Lay out what may be published of `release`; new files go into the empty `folder`, shards stay where they are.

    `documents` renders the texts (card, licences, …) from the published manifest. Raises DataError where a file of the
    release is not the one its manifest names, or where nothing at all may be published.
    """
    gone = licences.refused(release.manifest, include_restricted)
    withheld = frozenset(source.source for source in gone)
    kept = [entry for entry in release.manifest.sources if entry.source not in withheld]
    if not any(entry.records for entry in kept):
        names = ", ".join(sorted(withheld)) or "none"
        raise DataError(f"{release.path}: no row may be published (not redistributable: {names}). "
                        "If you hold the right, say --include-restricted.")  # fmt: skip
    files = _shards(release, withheld) | _others(release, folder, withheld)
    files |= _trainer_shards(release, folder, withheld) if release.split == "dpo" else {}
    for source in sorted(withheld):
        for path in licences.write_recipe(release, source, folder / licences.RECIPES):
            files[path.relative_to(folder).as_posix()] = path
    draft = _manifest(release, files, gone, include_restricted)
    texts = (documents or default_documents)(draft, release, repo_id)
    files |= {name: _write(folder / name, text) for name, text in texts.items()}
    manifest = _manifest(release, files, gone, include_restricted)
    files[MANIFEST] = _write(folder / MANIFEST, manifest.dumps())
    sums = [f"{_digest(release, files, name)}  {name}\n" for name in sorted(files)]
    files[SUMS] = _write(folder / SUMS, "".join(sums))
    return Publication(dict(sorted(files.items())), manifest, gone)


def _shards(release: Release, withheld: frozenset[str]) -> dict[str, Path]:
    """Data files of allowed sources, after a look that they are the ones of the manifest."""
    found = {}
    for file in release.manifest.files:
        if file.path.startswith("data/") and file.path.split("/")[1] not in withheld:
            path = release.path / file.path
            if not path.is_file() or path.stat().st_size != file.bytes or sha256_of(path) != file.sha256:
                raise DataError(f"{path}: not the file that {MANIFEST} names. Run: chimed validate {release.path}.")
            found[file.path] = path
    return found


def _others(release: Release, folder: Path, withheld: frozenset[str]) -> dict[str, Path]:
    """Schema, sketches, overlap, citation, changelog and what else the manifest lists, except local side files."""
    found = {}
    whole = ("croissant.json", "report.html") if not withheld else ()
    for file in release.manifest.files:
        name = file.path
        if name.split("/")[0] in ("data", *LOCAL_ONLY, *TRAINERS) or (name in _RENDERED and name not in whole):
            continue
        path = release.path / name
        if not path.is_file():
            raise DataError(f"{path}: listed in {MANIFEST}, but not there. Run: chimed validate {release.path}.")
        found[name] = _without(path, folder / name, withheld) if withheld and name.endswith(".parquet") else path
    return found


def _without(path: Path, out: Path, withheld: frozenset[str]) -> Path:
    """A copy of a side table without the rows of withheld sources (told by `source`, or by the id's prefix)."""
    import pyarrow.parquet as pq

    schema = pq.read_schema(path)
    column = next((name for name in ("source", "id") if name in schema.names), None)
    if column is None:
        raise DataError(f"{path}: has neither a column source nor id, so withheld rows cannot be told apart.")

    def kept() -> Iterator[pa.RecordBatch]:
        for batch in read_batches(path):
            mask = [str(value).split(":", 1)[0] not in withheld for value in batch[column].to_pylist()]
            yield batch.filter(pa.array(mask, pa.bool_()))

    return write_one(out, kept(), schema).path


def _trainer_shards(release: Release, folder: Path, withheld: frozenset[str]) -> dict[str, Path]:
    """Preference rows again in the shapes of LLaMA-Factory and ms-swift, shard by shard."""
    found = {}
    for name, convert in zip(TRAINERS, (export.llamafactory_rows, export.swift_rows), strict=True):
        for path in _shards(release, withheld).values():
            out = folder / name / path.relative_to(release.path / "data")
            batches = (convert(batch) for batch in read_batches(path))
            shard: Shard = write_one(out, batches, export.arrow_schema("dpo", name))
            found[out.relative_to(folder).as_posix()] = shard.path
    return found


def _manifest(release: Release, files: dict[str, Path], gone: list[Refused], restricted: bool) -> Manifest:
    """The published manifest: only published files and sources; what was withheld stands in its settings."""
    old, names = release.manifest, {source.source for source in gone}
    kept = [entry for entry in old.sources if entry.source not in names]
    entries = [_entry(release, name, path) for name, path in sorted(files.items()) if name not in (MANIFEST, SUMS)]
    away = {e.source: licences.published_entry(e) for e in old.sources if e.source in names}
    included = [e.source for e in kept if restricted and e.redistributable == "no"]
    settings = old.settings | {"published": {"withheld": away, "restricted_included": included}}
    data = [entry for entry in entries if entry.path.startswith("data/")]
    return old.model_copy(update={
        "files": entries, "sources": kept, "settings": settings, "bytes": sum(entry.bytes for entry in data),
        "rows": sum(entry.rows or 0 for entry in data),
    })  # fmt: skip


def _entry(release: Release, name: str, path: Path) -> FileEntry:
    for file in release.manifest.files:
        if file.path == name and path == release.path / name:
            return file
    rows = None
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        rows = pq.read_metadata(path).num_rows
    return FileEntry(path=name, sha256=sha256_of(path), bytes=path.stat().st_size, rows=rows)


def _digest(release: Release, files: dict[str, Path], name: str) -> str:
    return _entry(release, name, files[name]).sha256


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def default_documents(manifest: Manifest, release: Release, repo_id: str) -> dict[str, str]:
    """Card (its own words where the release has one, else a short one), licences and LLaMA-Factory's description."""
    old = release.path / "README.md"
    body = old.read_text(encoding="utf-8") if old.is_file() else f"# {manifest.name}\n\n{_summary(manifest)}\n"
    body = re.sub(r"\A---\r?\n.*?\n---\r?\n", "", body, count=1, flags=re.DOTALL).lstrip()
    info = export.dataset_info(manifest.split, repo_id=repo_id)
    return {
        "README.md": f"---\n{front_matter(manifest)}\n---\n\n{body.rstrip()}\n{standing(manifest)}",
        "LICENSE.md": licences.notices(manifest),
        "dataset_info.json": json.dumps(info, ensure_ascii=False, indent=2) + "\n",
    }


def standing(manifest: Manifest) -> str:
    """What the card says of rows that upstream lets nobody pass on: withheld, or published on one's own word."""
    said = manifest.settings.get("published", {})
    lines = [
        f"- `{name}`: {facts['records']:,} rows withheld (licence: {facts['license']}). Rebuild them from your own "
        f"copy as `{facts['recipe']}` says."
        for name, facts in said.get("withheld", {}).items()
    ]
    lines += [
        f"- `{name}`: not redistributable by its upstream terms; the publisher states that they hold the right."
        for name in said.get("restricted_included", [])
    ]
    return "\n".join(["", "## Restricted sources", "", *lines, ""]) if lines else ""


def _summary(manifest: Manifest) -> str:
    names = ", ".join(f"`{name}`" for name in configs(manifest))
    return f"{manifest.rows:,} rows of {len(manifest.sources)} sources. Configs: {names}. Licences: LICENSE.md."


def front_matter(manifest: Manifest) -> str:
    """The card's YAML: language, licence, size, configs, features and row counts."""
    from huggingface_hub import DatasetCardData

    found = {entry.license for entry in manifest.sources}
    single = found.pop().lower() if len(found) == 1 else ""
    plain = single if single in {"apache-2.0", "mit", "gpl-3.0", "cc-by-nc-4.0"} else ""
    license: dict[str, Any] = {"license": plain} if plain else {
        "license": "other", "license_name": "mixed", "license_link": "LICENSE.md",
    }  # fmt: skip
    tasks = ["text-generation"] + (["question-answering"] if manifest.split == "sft" else [])
    card = DatasetCardData(
        language=["zh"], pretty_name=manifest.name, task_categories=tasks, size_categories=[_size(manifest.rows)],
        tags=["medical", "chinese", manifest.split], **license, **metadata(manifest),
    )  # fmt: skip
    return card.to_yaml()


def _size(rows: int) -> str:
    """The Hub's size category of a row count."""
    steps = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))
    return next((name for limit, name in steps if rows < limit), "10M<n<100M")


def fingerprint(path: Path) -> tuple[str, str]:
    """(sha256, git blob id) of a file, read once: what the Hub calls a large and a regular file's content."""
    large, git = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % path.stat().st_size)
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            large.update(block)
            git.update(block)
    return large.hexdigest(), git.hexdigest()
