"""Download upstream files that have a direct address: pinned, resumable, with their checksums written beside them.

An address is `hf://datasets/OWNER/NAME@REVISION/path` or `https://…`; after `#` may follow `path=` (where the file goes
in the source's folder) and `sha256=` (what it must be), joined by `&`. HEAD of a repository in `pins` means the commit
there; an address that names no commit and no SHA-256 is fetched all the same, and what came is recorded.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from chimed.download import download
from chimed.errors import DataError, NetworkError, UsageError
from chimed.hub.client import told
from chimed.parquet import sha256_of
from chimed.pins import is_pinned, pinned
from chimed.source import Source, unknown

RECORD = "FETCHED.json"
Progress = Callable[[float, float | None, str], None]


@dataclass(frozen=True)
class Address:
    """One file of a source: where it is, where it goes, and what its SHA-256 must be if that is known."""

    url: str
    path: str
    sha256: str | None = None

    @property
    def fixed(self) -> bool:
        """Whether it can only ever give the same bytes: it names a commit or a SHA-256."""
        return self.sha256 is not None or is_pinned(self.url)


@dataclass(frozen=True)
class Fetched:
    """What became of one source: files downloaded, files that were there already, and how to obtain the rest.

    `unpinned` are those of its files whose address names no revision: upstream may give others tomorrow.
    """

    source: str
    home: str
    folder: str
    fetched: list[str]
    present: list[str]
    obtain: str
    unpinned: list[str]


def parse(address: str) -> Address:
    """Take an address apart. Raises UsageError for a scheme we do not read or a path that leaves the folder."""
    url, _, fragment = address.partition("#")
    url = pinned(url)
    said = {key: values[-1] for key, values in parse_qs(fragment, strict_parsing=bool(fragment)).items()}
    parts = urlsplit(url)
    local = parts.hostname in {"127.0.0.1", "localhost"}
    if parts.scheme == "hf":
        default = "/".join(_hub_parts(url)[2:])
    elif parts.scheme == "https" or (parts.scheme == "http" and local):
        # A file of a GitHub repository keeps its place in it: /OWNER/REPO/REVISION/path.
        within = 4 if parts.hostname == "raw.githubusercontent.com" else -1
        default = unquote(parts.path.split("/", within)[-1] if within > 0 else parts.path.rsplit("/", 1)[-1])
    else:
        raise UsageError(f"{address}: not an address that can be fetched. Use hf://datasets/… or https://….")
    path = PurePosixPath(said.get("path", default))
    if not path.name or path.is_absolute() or ".." in path.parts:
        raise UsageError(f"{address}: {path} leaves the source's folder.")
    return Address(url, path.as_posix(), said.get("sha256"))


def _hub_parts(url: str) -> tuple[str, str | None, str]:
    """(repository, revision, path) of hf://datasets/OWNER/NAME@REVISION/path."""
    parts = url.removeprefix("hf://").split("/", 3)
    if len(parts) != 4 or parts[0] != "datasets" or not parts[3]:
        raise UsageError(f"{url}: not of the form hf://datasets/OWNER/NAME@REVISION/path.")
    name, _, revision = parts[2].partition("@")
    return f"{parts[1]}/{name}", unquote(revision) or None, unquote(parts[3])


def fetch(sources: Iterable[Source], to: Path, progress: Progress | None = None) -> list[Fetched]:
    """Fetch what can be fetched into `to/<source>/`; nothing is written anywhere else.

    A file that is there with its recorded checksum is not fetched again. Raises NetworkError, AuthError, or DataError
    where the bytes are not the expected ones.
    """
    return [_source(source, to, progress) for source in sources]


def _source(source: Source, to: Path, progress: Progress | None) -> Fetched:
    folder = to / (source.folder or source.name)
    addresses = [parse(address) for address in source.addresses]
    if addresses:
        _inside(to, folder)
        folder.mkdir(parents=True, exist_ok=True)
    record, fetched, present = _recorded(folder), [], []
    unpinned = [address.path for address in addresses if not address.fixed]
    for address in addresses:
        goal = folder / address.path
        _inside(to, goal)
        if _is_here(goal, address, record.get(address.path)):
            present.append(address.path)
            continue
        goal.parent.mkdir(parents=True, exist_ok=True)
        part = goal.with_name(goal.name + ".part")
        record[address.path] = _one(address, part, source.name, progress)
        _write(folder / RECORD, record)
        part.replace(goal)
        fetched.append(address.path)
    return Fetched(source.name, source.home, str(folder), fetched, present, source.obtain, unpinned)


def _inside(to: Path, path: Path) -> None:
    """A link on the way must not lead out of the folder that the user named."""
    if not path.resolve().is_relative_to(to.resolve()):
        raise DataError(f"{path}: leads out of {to} by a link. Remove the link or name another folder with --to.")


def _recorded(folder: Path) -> dict[str, dict[str, Any]]:
    path = folder / RECORD
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))["files"])
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{path}: damaged. Remove it, and the files are checked and fetched again.") from None


def _is_here(goal: Path, address: Address, known: dict[str, Any] | None) -> bool:
    """Whether the file need not be fetched: as recorded for this address, or put there by the user.

    Raises DataError where the user's own file is not the one that the address promises; it is never overwritten.
    """
    if not goal.is_file() or (known and known.get("address") != address.url):
        return False
    found = sha256_of(goal)
    if known:
        return found == known["sha256"]
    if address.sha256 and found != address.sha256:
        raise DataError(f"{goal}: is there with SHA-256 {found}, expected {address.sha256}. Move it away first.")
    return True


def _one(address: Address, part: Path, name: str, progress: Progress | None) -> dict[str, Any]:
    """Bring one file into `part`; what is recorded of it: address, size, SHA-256, and the revision or ETag met."""
    if address.url.startswith("hf://"):
        version = {"revision": _from_hub(address, part)}
    else:
        version = {"etag": download(address.url, part, name, progress)}
    found = sha256_of(part)
    if address.sha256 and found != address.sha256:
        part.unlink()
        raise DataError(f"{name}, {address.path}: SHA-256 is {found}, expected {address.sha256}. The file upstream "
                        "changed or the transfer was damaged; nothing was kept.")  # fmt: skip
    facts = {"address": address.url, "bytes": part.stat().st_size, "sha256": found}
    return facts | {name: value for name, value in version.items() if value}


def _from_hub(address: Address, part: Path) -> str | None:
    """Through the Hub's client and its cache, so that HF_ENDPOINT, HF_HOME and HF_HUB_OFFLINE hold."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError, RevisionNotFoundError

    repo, revision, path = _hub_parts(address.url)
    with told(repo):
        try:
            cached = Path(hf_hub_download(repo, path, repo_type="dataset", revision=revision))
        except LocalEntryNotFoundError:
            raise NetworkError(f"{address.url}: not in the local cache, and the Hub is out of reach.") from None
        except (EntryNotFoundError, RevisionNotFoundError):
            raise DataError(f"{address.url}: no such file or revision; the data set was changed upstream.") from None
    blob = cached.resolve()
    part.unlink(missing_ok=True)
    try:
        os.link(blob, part)
    except OSError:
        shutil.copyfile(blob, part)
    return next((cached.parts[i + 1] for i, name in enumerate(cached.parts) if name == "snapshots"), None)


def _write(path: Path, record: dict[str, dict[str, Any]]) -> None:
    temporary = path.with_name(path.name + ".part")
    text = json.dumps({"files": record}, ensure_ascii=False, indent=2, sort_keys=True)
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(path)


def chosen(known: dict[str, Source], names: list[str]) -> list[Source]:
    """Named sources, or all in name order. Raises UsageError for an unknown name."""
    strange = [name for name in names if name not in known]
    if strange:
        raise unknown(strange[0], known)
    return [known[name] for name in (names or sorted(known))]
