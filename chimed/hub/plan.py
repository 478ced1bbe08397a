"""What one commit has to change: the files at hand against the tree at the head of a branch."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from chimed.complete import SUMS
from chimed.errors import ConflictError, DataError
from chimed.hub.client import again
from chimed.release import MANIFEST

RepoType = Literal["dataset", "model"]
Gate = Literal["auto", "manual"]


@dataclass(frozen=True)
class Target:
    """Where a push goes and how the repository is to look to others."""

    repo_id: str
    repo_type: RepoType = "dataset"
    private: bool = True
    gated: Gate | None = None
    revision: str = "main"
    create_pr: bool = False
    tag: str | None = None

    @property
    def gate(self) -> Gate | None:
        """A public repository is always gated; `auto` unless said otherwise."""
        return self.gated or (None if self.private else "auto")

    @property
    def where(self) -> dict[str, str]:
        """How the client names the repository."""
        return {"repo_id": self.repo_id, "repo_type": self.repo_type}


@dataclass(frozen=True)
class Local:
    """A file to publish, with the two digests by which the Hub knows content."""

    path: Path
    bytes: int
    sha256: str
    blob: str


@dataclass(frozen=True)
class Plan:
    """What one commit on top of `head` changes; `unseen` says what could not be looked at without a token."""

    head: str | None
    add: list[str]
    delete: list[str]
    unchanged: list[str]
    foreign: list[str]
    unseen: str = ""


def api() -> Any:
    """The client, made anew so that it follows the endpoint and token of the moment."""
    from huggingface_hub import HfApi

    return HfApi()


def _head(target: Target) -> str | None:
    """Commit of the branch; of main where the branch is still to be made; None where there is no repository.

    A stranger is told 401 for what is private and for what is not there; the client knows that of https alone.
    """
    from huggingface_hub import get_token
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        return str(again(lambda: api().repo_info(**target.where, revision=target.revision)).sha)
    except RevisionNotFoundError:
        return str(again(lambda: api().repo_info(**target.where)).sha)
    except HfHubHTTPError as error:
        hidden = error.response.status_code == 401 and not get_token()
        if hidden or isinstance(error, RepositoryNotFoundError):
            return None
        raise


def tree_at(target: Target, revision: str) -> dict[str, tuple[str, bool]]:
    """Path -> (digest, whether it is a large file) at a commit."""
    listed = again(lambda: list(api().list_repo_tree(**target.where, recursive=True, revision=revision)))
    files = (entry for entry in listed if hasattr(entry, "blob_id"))
    return {file.path: (file.lfs.sha256 if file.lfs else file.blob_id, bool(file.lfs)) for file in files}


def equal(local: Local, remote: tuple[str, bool]) -> bool:
    """Whether the Hub holds this content already."""
    digest, large = remote
    return digest == (local.sha256 if large else local.blob)


def plan_commit(local: dict[str, Local], target: Target) -> Plan:
    """Compare the files at hand with the head; deletes only what the previous manifest lists.

    Without a token, what cannot be read is named in `unseen`. Raises ConflictError where the tag is taken by another
    state, DataError where rows that were taken down there would come back.
    """
    head = _head(target)
    tree = tree_at(target, head) if head else {}
    add = [name for name, file in local.items() if name not in tree or not equal(file, tree[name])]
    others = sorted(name for name in tree if name not in local and name != ".gitattributes")
    before = _previous(target, head) if head and MANIFEST in tree else {}
    _refuse_returned(target, before or {}, local)
    ours = None if before is None else _listed(before)
    gone = [name for name in others if ours and name in ours]
    foreign = [name for name in others if ours is not None and name not in ours]
    _tag_is_free(target, head, changes=bool(add or gone))
    unchanged = [name for name in local if name not in add]
    return Plan(head, add, gone, unchanged, foreign, _unseen(head, others if ours is None else []))


def _unseen(head: str | None, untold: list[str]) -> str:
    from huggingface_hub import get_token

    if head is None and not get_token():
        return "no token: the repository is private or not there yet, so everything is counted as new"
    if untold:
        return f"no token: the repository is gated, so which of its {len(untold)} other files would go is not known"
    return ""


def _previous(target: Target, head: str) -> dict[str, Any] | None:
    """The manifest of what is now on the Hub, empty where it is not one of ours; None where a gate keeps a stranger out."""
    from huggingface_hub import get_token
    from huggingface_hub.errors import GatedRepoError

    with tempfile.TemporaryDirectory(prefix="chimed-push-") as cache:
        where = target.where | {"filename": MANIFEST, "revision": head, "cache_dir": cache}
        try:
            path = again(lambda: api().hf_hub_download(**where))
        except GatedRepoError:
            if get_token():
                raise
            return None
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    return _manifest(text)


def _manifest(text: str) -> dict[str, Any]:
    try:
        read = json.loads(text)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _listed(manifest: dict[str, Any]) -> set[str]:
    """The files that a manifest calls its own."""
    try:
        return {str(file["path"]) for file in manifest["files"]} | {MANIFEST, SUMS}
    except (KeyError, TypeError):
        return set()


def _refuse_returned(target: Target, before: dict[str, Any], local: dict[str, Local]) -> None:
    """A takedown holds for all later versions, wherever they were built."""
    taken = before.get("excluded")
    if not isinstance(taken, list) or MANIFEST not in local:
        return
    now = _manifest(local[MANIFEST].path.read_text(encoding="utf-8")).get("excluded", [])
    missing = sorted({str(name) for name in taken} - set(now))
    if missing:
        raise DataError(
            f"{target.repo_id}: what was taken down there would come back ({len(missing)} of its takedowns, {missing[0]} "
            f"first). Build again with --exclude and the ids under `excluded` in the repository's {MANIFEST}."
        )


def tagged(target: Target) -> str | None:
    """Commit that the target's tag points to, if it is there."""
    refs = again(lambda: api().list_repo_refs(**target.where))
    return next((str(tag.target_commit) for tag in refs.tags if tag.name == target.tag), None)


def _tag_is_free(target: Target, head: str | None, *, changes: bool) -> None:
    if target.tag is None or head is None or target.create_pr:
        return
    at = tagged(target)
    if at is not None and (at != head or changes):
        raise ConflictError(
            f"{target.repo_id}: tag {target.tag} is taken by commit {at[:12]}. Tags stay: use a new one."
        )
