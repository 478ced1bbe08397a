"""A release on disk: its manifest, its shards, and how to open it.

OUT/ChiMed-SFT/manifest.json                  the facts, written last
               data/<source>/train-00000-of-00003.parquet   published rows
               lost/ · origin/ · sketches/    local side files
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import Field, ValidationError

from chimed.errors import DataError
from chimed.parquet import read_batches
from chimed.records import RELEASE_NAMES, Domain, Frozen, Kind, Split

MANIFEST = "manifest.json"
NOTE = "origin/local.json"
"""Where the upstream files lie on the machine of the build: a help for `trace`, no part of the release."""
FORMAT = 1
LOCAL_ONLY = ("lost", "origin", "samples")


class FileEntry(Frozen):
    """One file of the release; `content_sha256` is over the values, whatever the Parquet encoding (data shards only)."""

    path: str
    sha256: str
    bytes: int
    rows: int | None = None
    content_sha256: str | None = None


class UpstreamFile(Frozen):
    """An upstream file that was read, relative to its source's folder."""

    path: str
    sha256: str
    bytes: int


class SourceEntry(Frozen):
    """The ledger of one source: read = kept + rows lost by reason + sampled away; `records` are published rows.

    `lengths` counts rows by characters, bin i holding 2^i to 2^(i+1)-1; `steps` counts what cleaning, masking and
    quality flags did to the kept rows.
    """

    source: str
    home: str
    license: str
    redistributable: str
    attribution: str
    notice: str = ""
    revision: str = ""
    domain: Domain
    kind: Kind
    licenses: dict[str, int] = Field(default_factory=dict)
    files: list[UpstreamFile]
    read: int
    kept: int
    records: int
    lost: dict[str, int]
    sampled: int = 0
    repairs: dict[str, int] = Field(default_factory=dict)
    train: int = 0
    validation: int = 0
    text_bytes: int = 0
    text_chars: int = 0
    lengths: list[int] = Field(default_factory=list)
    steps: dict[str, dict[str, int]] = Field(default_factory=dict)


class Manifest(Frozen):
    """What a release is. Holds no time, no absolute path, no worker count and no secret."""

    format: int = FORMAT
    name: str
    split: Split
    version: str
    rows: int
    bytes: int
    files: list[FileEntry]
    sources: list[SourceEntry]
    absent: list[str] = Field(default_factory=list)
    settings: dict[str, Any]
    versions: dict[str, str]
    steps: dict[str, Any] = Field(default_factory=dict)
    excluded: list[str] = Field(default_factory=list)

    def dumps(self) -> str:
        """The manifest as it is written: sorted keys, two spaces, one final newline."""
        return json.dumps(self.model_dump(mode="json"), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


@dataclass(frozen=True)
class Release:
    """An opened release: a folder with a valid manifest."""

    path: Path
    manifest: Manifest

    @property
    def split(self) -> Split:
        """cpt, sft or dpo."""
        return self.manifest.split

    def shards(self, part: str = "train", source: str | None = None) -> list[Path]:
        """Data files of a part (train, validation) in manifest order, of one source or of all."""
        prefix = f"data/{source}/" if source else "data/"
        return [
            self.path / f.path
            for f in self.manifest.files
            if f.path.startswith(prefix) and f.path.rsplit("/", 1)[-1].startswith(f"{part}-")
        ]

    def batches(
        self, part: str = "train", *, source: str | None = None, columns: list[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Published rows as Arrow batches, shard by shard."""
        for shard in self.shards(part, source):
            yield from read_batches(shard, columns)

    def lost(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Lost records: id, source, step, reason, rows, twin, similarity, origin, detail, text_sha1, steps."""
        yield from self._side("lost", columns)

    def origins(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Where each published row came from, and what each step did to it."""
        yield from self._side("origin", columns)

    def _side(self, name: str, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
        for path in sorted((self.path / name).glob("part-*.parquet")):
            yield from read_batches(path, columns)


def open_release(path: Path) -> Release:
    """Open a release folder.

    Raises DataError where there is no folder, no manifest (an unfinished build) or one of another shape or format.
    """
    file = path / MANIFEST
    if path.is_file():
        raise DataError(f"{path}: a file. Name the folder of the release, the one that holds {MANIFEST}.")
    if not path.is_dir():
        raise DataError(f"{path}: no such folder. Build a release first: chimed build --split sft --sample.")
    if not file.is_file():
        inside = [name for name in RELEASE_NAMES.values() if (path / name / MANIFEST).is_file()]
        hint = f"Did you mean {path / inside[0]}?" if inside else "The build is not finished: run it again."
        raise DataError(f"{path}: no {MANIFEST}. {hint}")
    try:
        manifest = Manifest.model_validate_json(file.read_text(encoding="utf-8"))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        fault = f"{place}: {first['msg']}" if place else first["msg"]
        raise DataError(f"{file}: not a manifest of this version: {fault}. Copy it again or rebuild.") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: damaged: {error}. Copy it again or rebuild.") from None
    if manifest.format != FORMAT:
        raise DataError(
            f"{file}: format {manifest.format}; this chimed reads {FORMAT}. Install the chimed that wrote it."
        )
    return Release(path, manifest)
