"""The data a stage is given: a release folder, a Hub id with its revision, or the packaged sample."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from chimed.errors import DataError, UsageError
from chimed.records import RELEASE_NAMES, ROW_MODELS, Split
from chimed.release import Release, open_release
from qilin_stages import __version__
from qilin_stages.data.snapshot import snapshot


@dataclass(frozen=True)
class Data:
    """An opened split: where it came from, its revision, and a hash over its published rows."""

    release: Release
    named: str
    revision: str | None
    content_sha256: str

    @property
    def split(self) -> Split:
        """cpt, sft or dpo."""
        return self.release.split

    def rows(self, part: str = "train") -> int:
        """Published rows of a part by the manifest."""
        shards = {str(path.relative_to(self.release.path)) for path in self.release.shards(part)}
        return sum(file.rows or 0 for file in self.release.manifest.files if file.path in shards)

    def batches(self, part: str = "train") -> Iterator[dict[str, list[Any]]]:
        """Published rows, column by column."""
        for batch in self.release.batches(part):
            yield batch.to_pydict()


def cache_folder() -> Path:
    """The user's cache folder of this package, honouring XDG_CACHE_HOME."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "qilin_stages"


def open_data(named: str, split: Split | None = None) -> Data:
    """Open a release folder, `ORG/NAME@REVISION`, or `sample`.

    Raises DataError where it is missing, unfinished, of another split, or where its rows are not the published ones.
    """
    folder, revision = _folder(named, split)
    release = open_release(folder)
    if split is not None and release.split != split:
        raise DataError(f"{named}: a {release.split} release, and this stage reads {split}. Give it "
                        f"{RELEASE_NAMES[split]}.")  # fmt: skip
    _check(release, named)
    return Data(release, named, revision, _content(release))


def _folder(named: str, split: Split | None) -> tuple[Path, str | None]:
    if named == "sample":
        return sample(split or "sft"), f"sample of chimed {__version__}"
    path = Path(named)
    if path.exists() or "@" not in named:
        inside = path / RELEASE_NAMES[split] if split else path
        return (inside if (inside / "manifest.json").is_file() else path), None
    if named.rpartition("@")[0].count("/") != 1:
        raise UsageError(f"{named}: neither a folder nor ORG/NAME@REVISION.")
    commit = snapshot(named, "dataset")
    return commit, commit.name


def sample(split: Split) -> Path:
    """The packaged sample's release of a split, built on the way into the cache folder."""
    folder = cache_folder() / "sample" / __version__
    release = folder / RELEASE_NAMES[split]
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"{split}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (release / "manifest.json").is_file():
            _build_sample(split, folder)
    return release


def _build_sample(split: Split, folder: Path) -> None:
    command = [sys.executable, "-c", "from chimed.cli import main; main()", "build", "--split", split, "--sample"]
    done = subprocess.run([*command, "--out", str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise DataError(f"the sample could not be built (chimed build --split {split} --sample): {last}")


def _check(release: Release, named: str) -> None:
    """Refuse shards that are missing, cut short, or not of the published schema."""
    sizes = {file.path: file.bytes for file in release.manifest.files}
    shards = release.shards()
    if not shards:
        raise DataError(f"{named}: the release has no training rows.")
    for shard in shards:
        relative = str(shard.relative_to(release.path))
        if not shard.is_file() or shard.stat().st_size != sizes[relative]:
            raise DataError(f"{named}: {relative} is missing or not of the size in the manifest. Run chimed validate.")
    first = next(release.batches()).slice(0, 1).to_pylist()[0]
    try:
        ROW_MODELS[release.split].model_validate(first)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise DataError(f"{named}: rows are not those of {RELEASE_NAMES[release.split]}: {where}: {fault['msg']}. "
                        "Run chimed validate.") from None  # fmt: skip


def _content(release: Release) -> str:
    digest = hashlib.sha256()
    for file in sorted(release.manifest.files, key=lambda f: f.path):
        if file.path.startswith("data/"):
            digest.update(f"{file.path} {file.content_sha256 or file.sha256}\n".encode())
    return digest.hexdigest()
