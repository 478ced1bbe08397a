"""The folder that a push publishes, made from a release: allowed rows, recipes for the rest, documents to match."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from chimed import card, export, licences, report
from chimed.complete import SUMS, texts_around
from chimed.configs import TRAINERS
from chimed.errors import DataError
from chimed.licences import Refused
from chimed.parquet import Shard, count_rows, read_batches, read_schema, sha256_of, write_one
from chimed.release import LOCAL_ONLY, MANIFEST, FileEntry, Manifest, Release

# Written anew, because they describe what is published; everything else goes as it is.
_RENDERED = frozenset({"README.md", "LICENSE.md", "dataset_info.json", "croissant.json", "report.html", MANIFEST, SUMS})


@dataclass(frozen=True)
class Publication:
    """What a push handles: path in the repository -> local file, its manifest, and the sources that stay at home."""

    files: dict[str, Path]
    manifest: Manifest
    refused: list[Refused]


def assemble(release: Release, folder: Path, repo_id: str, *, include_restricted: bool = False) -> Publication:
    """Lay out what may be published of `release`; new files go into the empty `folder`, shards stay where they are.

    Raises DataError where a file of the release is not the one its manifest names, or where no row may be published.
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
    for name, text in _documents(draft, repo_id).items():
        if name in _RENDERED or name not in files:
            files[name] = _write(folder / name, text)
    files["report.html"] = _write(folder / "report.html", _report(draft, files))
    manifest = _manifest(release, files, gone, include_restricted)
    files[MANIFEST] = _write(folder / MANIFEST, manifest.dumps())
    sums = [f"{entry.sha256}  {entry.path}\n" for entry in manifest.files]
    sums.append(f"{sha256_of(files[MANIFEST])}  {MANIFEST}\n")
    files[SUMS] = _write(folder / SUMS, "".join(sorted(sums, key=lambda line: line.split("  ", 1)[1])))
    return Publication(dict(sorted(files.items())), manifest, gone)


def _documents(manifest: Manifest, repo_id: str) -> dict[str, str]:
    """The texts around the data, as they hold for what is published under this name."""
    said = manifest.settings["published"]
    info = export.dataset_info(manifest.split, repo_id=repo_id)
    withheld, restricted = sorted(said["withheld"]), bool(said["restricted_included"])
    return texts_around(manifest) | {
        "README.md": card.render(manifest, repo_id=repo_id, withheld=withheld, restricted=restricted),
        "dataset_info.json": json.dumps(info, ensure_ascii=False, indent=2) + "\n",
    }


def _report(manifest: Manifest, files: dict[str, Path]) -> str:
    """The report of the published files alone: lost rows and texts before masking are not within its reach."""
    with tempfile.TemporaryDirectory(prefix="chimed-push-") as view:
        for name, path in files.items():
            (Path(view) / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(view) / name).symlink_to(path.resolve())
        return report.render(Path(view), manifest, local=False)


def _shards(release: Release, withheld: frozenset[str]) -> dict[str, Path]:
    """Data files of allowed sources, after a look that they are the ones of the manifest."""
    found = {}
    for file in release.manifest.files:
        if file.path.startswith("data/") and file.path.split("/")[1] not in withheld:
            _refuse_other(release, file)
            found[file.path] = release.path / file.path
    return found


def _refuse_other(release: Release, file: FileEntry) -> None:
    path = release.path / file.path
    if not path.is_file() or path.stat().st_size != file.bytes or sha256_of(path) != file.sha256:
        raise DataError(f"{path}: not the file that {MANIFEST} names. Run: chimed validate {release.path}.")


def _others(release: Release, folder: Path, withheld: frozenset[str]) -> dict[str, Path]:
    """Schema, sketches, overlap, citation, changelog and what else the manifest lists, except local side files."""
    found = {}
    for file in release.manifest.files:
        name = file.path
        if name.startswith(("data/", *LOCAL_ONLY, *(f"{shape}/" for shape in TRAINERS))) or name in _RENDERED:
            continue
        path = release.path / name
        _refuse_other(release, file)
        found[name] = _without(path, folder / name, withheld) if withheld and name.endswith(".parquet") else path
    return found


def _without(path: Path, out: Path, withheld: frozenset[str]) -> Path:
    """A copy of a side table without the rows of withheld sources (told by `source`, or by the id's prefix)."""
    schema = read_schema(path)
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
    rows = count_rows(path) if path.suffix == ".parquet" else None
    return FileEntry(path=name, sha256=sha256_of(path), bytes=path.stat().st_size, rows=rows)


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def fingerprint(path: Path) -> tuple[str, str]:
    """(sha256, git blob id) of a file, read once: what the Hub calls a large and a regular file's content."""
    large, git = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % path.stat().st_size)
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            large.update(block)
            git.update(block)
    return large.hexdigest(), git.hexdigest()
