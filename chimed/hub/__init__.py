"""Publish to the Hugging Face Hub: a release of the data sets, or any finished folder such as a trained model."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from chimed.errors import DataError
from chimed.hub.client import preflight
from chimed.hub.plan import Gate, RepoType, Target
from chimed.hub.publication import assemble, fingerprint
from chimed.hub.publisher import Progress, PushResult, publish
from chimed.release import MANIFEST, Release

__all__ = ["PushResult", "publish_folder", "push_to_hub"]


def push_to_hub(
    release: Release,
    repo_id: str,
    *,
    private: bool = True,
    gated: Gate | None = None,
    revision: str = "main",
    create_pr: bool = False,
    tag: str | None = None,
    include_restricted: bool = False,
    dry_run: bool = False,
    repo_type: RepoType = "dataset",
    progress: Progress | None = None,
) -> PushResult:
    """Publish a release; rows that may not be passed on stay at home unless `include_restricted`.

    Raises AuthError, ConflictError, NetworkError, DataError or UsageError; with `dry_run` it looks at the Hub (as a
    stranger where there is no token) but changes nothing there.
    """
    name = preflight(repo_id, repo_type, write=not create_pr, dry_run=dry_run)
    target = Target(name, repo_type, private, gated, revision, create_pr, tag)
    with tempfile.TemporaryDirectory(prefix="chimed-push-") as folder:
        made = assemble(release, Path(folder), name, include_restricted=include_restricted)
        message = f"{release.manifest.name} {release.manifest.version}"
        result = publish(made.files, target, message, dry_run=dry_run, progress=progress)
    return replace(result, refused=made.refused)


def publish_folder(
    folder: Path,
    repo_id: str,
    *,
    files: list[str] | None = None,
    repo_type: RepoType = "model",
    private: bool = True,
    gated: Gate | None = None,
    revision: str = "main",
    create_pr: bool = False,
    tag: str | None = None,
    message: str = "Publish",
    dry_run: bool = False,
    progress: Progress | None = None,
) -> PushResult:
    """Publish any finished folder (or the named files of it), such as a trained model, by the same road.

    Where the folder has no manifest.json one is added that lists the files, so that the next push can take away what
    it no longer has. Raises what `push_to_hub` raises.
    """
    names = files if files is not None else _files_of(folder)
    chosen = {name: folder / name for name in names}
    missing = [name for name, path in chosen.items() if not path.is_file()]
    if missing or not chosen:
        raise DataError(f"{folder}: {missing[0] if missing else 'no file'} is not there to publish.")
    name = preflight(repo_id, repo_type, write=not create_pr, dry_run=dry_run)
    target = Target(name, repo_type, private, gated, revision, create_pr, tag)
    with tempfile.TemporaryDirectory(prefix="chimed-push-") as aside:
        if MANIFEST not in chosen:
            chosen[MANIFEST] = _plain_manifest(chosen, Path(aside) / MANIFEST)
        return publish(chosen, target, message, dry_run=dry_run, progress=progress)


def _files_of(folder: Path) -> list[str]:
    """Files below a folder, without hidden ones (`.gitattributes` and caches belong to others)."""
    found = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    return [path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts)]


def _plain_manifest(files: Mapping[str, Path], out: Path) -> Path:
    listed = [{"path": n, "sha256": fingerprint(p)[0], "bytes": p.stat().st_size} for n, p in sorted(files.items())]
    out.write_text(json.dumps({"files": listed}, indent=2) + "\n", encoding="utf-8")
    return out
