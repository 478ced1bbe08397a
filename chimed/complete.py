"""The files around the data of a release: card, licences, schema, Croissant, citation, changelog, report, checksums."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from chimed import card, diff, licences, report, schemas
from chimed.croissant import croissant
from chimed.export import dataset_info
from chimed.parquet import sha256_of
from chimed.release import LOCAL_ONLY, MANIFEST, FileEntry, Manifest
from chimed.staging import write_text

SUMS = "SHA256SUMS"
CITATION = """cff-version: 1.2.0
message: If you use this data set, please cite the paper and the sources named in LICENSE.md.
title: {name}
type: dataset
version: {version}
authors:
  - name: The ChiMed team
preferred-citation:
  type: article
  title: "Qilin-Med: Multi-stage Knowledge Injection Advanced Medical Large Language Model"
  authors:
    - family-names: Ye
      given-names: Qichen
    - family-names: Liu
      given-names: Junling
    - name: and others
  journal: arXiv preprint arXiv:2310.09089
  year: 2023
"""


def texts_around(manifest: Manifest) -> dict[str, str]:
    """Path to content of everything that follows from the manifest alone, the card last."""
    split = manifest.split
    return {
        f"schema/{split}.schema.json": schemas.schemas()[f"{split}.schema.json"],
        "LICENSE.md": licences.notices(manifest),
        "CITATION.cff": CITATION.format(name=manifest.name, version=manifest.version),
        "CHANGELOG.md": diff.first_entry(manifest),
        "dataset_info.json": json.dumps(dataset_info(split), ensure_ascii=False, indent=2) + "\n",
        "croissant.json": croissant(manifest),
        "README.md": card.render(manifest),
    }


def complete(folder: Path, manifest: Manifest) -> Manifest:
    """Write the files around the data into `folder`; returns the manifest that lists them all.

    SHA256SUMS holds every file that may be published, the manifest too, whose text is final here.
    """
    for name, text in texts_around(manifest).items():
        write_text(folder / name, text)
        manifest = _with(manifest, folder, name)
    write_text(folder / "report.html", report.render(folder, manifest))
    manifest = _with(manifest, folder, "report.html")
    lines = [f"{entry.sha256}  {entry.path}" for entry in manifest.files if entry.path.split("/")[0] not in LOCAL_ONLY]
    lines.append(f"{hashlib.sha256(manifest.dumps().encode('utf-8')).hexdigest()}  {MANIFEST}")
    write_text(folder / SUMS, "\n".join(sorted(lines, key=lambda line: line.split("  ", 1)[1])) + "\n")
    return manifest


def _with(manifest: Manifest, folder: Path, name: str) -> Manifest:
    path = folder / name
    entry = FileEntry(path=name, sha256=sha256_of(path), bytes=path.stat().st_size)
    return manifest.model_copy(update={"files": [*manifest.files, entry]})
