"""The one-commit publisher: plan against the head, upload file by file, commit once on top of it, verify, tag.

Every file becomes visible in one commit, so readers see the old state or the new one, never a mix. Uploaded objects
survive a kill, and a second run skips them. Files that the previous manifest does not list are never touched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from chimed.configs import check_card
from chimed.errors import ConflictError
from chimed.hub.client import again, endpoint, patiently, told
from chimed.hub.plan import Local, Plan, RepoType, Target, api, equal, plan_commit, tagged, tree_at
from chimed.hub.publication import fingerprint
from chimed.licences import Refused

Progress = Callable[[float, float | None, str], None]


@dataclass(frozen=True)
class PushResult:
    """What a push did, or with `dry_run` would do; sizes in bytes."""

    repo_id: str
    repo_type: str
    url: str
    status: Literal["published", "unchanged", "proposed", "planned"]
    commit: str | None
    added: dict[str, int]
    deleted: list[str]
    unchanged: list[str]
    foreign: list[str]
    bytes: int
    refused: list[Refused] = field(default_factory=list)
    tag: str | None = None
    pull_request: str | None = None
    dry_run: bool = False
    unseen: str = ""


def _local(files: Mapping[str, Path], repo_type: RepoType) -> dict[str, Local]:
    """Digest every file once; refuse a card that would not load."""
    if repo_type == "dataset" and "README.md" in files:
        check_card(files["README.md"].read_text(encoding="utf-8"), set(files))
    return {name: Local(path, path.stat().st_size, *fingerprint(path)) for name, path in sorted(files.items())}


def publish(
    files: Mapping[str, Path], target: Target, message: str, *, dry_run: bool, progress: Progress | None
) -> PushResult:
    """Bring the repository of `target` to exactly these files of ours, in one commit at most."""
    local = _local(files, target.repo_type)
    with told(target.repo_id):
        if dry_run:
            plan = plan_commit(local, target)
            if plan.head:
                _refuse_open(target, again(lambda: api().repo_info(**target.where)))
            return _result(target, plan, local, "planned", dry_run=True)
        _prepare(target)
        plan, commit, pull = patiently(_Attempt(local, target, message, progress), retry_unknown=not target.create_pr)
        if commit is None:
            status: Literal["unchanged", "proposed", "published"] = "unchanged"
        else:
            status = "proposed" if target.create_pr else "published"
            _verify(local, plan, target, f"refs/pr/{pull.rsplit('/', 1)[-1]}" if pull else commit)
        if not target.create_pr:
            _tag(target, commit or plan.head)
            _open(target)
    return _result(target, plan, local, status, commit=commit or plan.head, pull=pull)


def _result(
    target: Target, plan: Plan, local: dict[str, Local], status: Any, *, commit: str | None = None,
    pull: str | None = None, dry_run: bool = False,
) -> PushResult:  # fmt: skip
    kind = "datasets/" if target.repo_type == "dataset" else ""
    added = {name: local[name].bytes for name in plan.add}
    return PushResult(
        target.repo_id, target.repo_type, f"{endpoint()}/{kind}{target.repo_id}", status, commit, added, plan.delete,
        plan.unchanged, plan.foreign, sum(added.values()), tag=target.tag, pull_request=pull, dry_run=dry_run,
        unseen=plan.unseen,
    )  # fmt: skip


def _prepare(target: Target) -> None:
    """The repository and its branch, private when new; a public one gets its gate before anything is sent to it."""
    where = target.where
    again(lambda: api().create_repo(**where, private=True, exist_ok=True))
    info = again(lambda: api().repo_info(**where))
    _refuse_open(target, info)
    if _open_to_all(target, info):
        again(lambda: api().update_repo_settings(**where, gated=target.gate))
    if target.revision != "main" and not target.revision.startswith("refs/"):
        again(lambda: api().create_branch(**where, branch=target.revision, exist_ok=True))


def _open_to_all(target: Target, info: Any) -> bool:
    return not info.private and not info.gated and not target.create_pr


def _refuse_open(target: Target, info: Any) -> None:
    """Raise ConflictError where everybody could read what was meant to be private."""
    if target.private and _open_to_all(target, info):
        raise ConflictError(
            f"{target.repo_id} is public and not gated, so this push would be open to all at once. "
            "Say --public to gate it first, or make it private."
        )


def _tag(target: Target, commit: str | None) -> None:
    """Tag the commit; a tag that is already there must point to it."""
    from huggingface_hub.errors import HfHubHTTPError

    if target.tag is None or tagged(target) == commit:
        return
    try:
        again(lambda: api().create_tag(**target.where, tag=target.tag, revision=commit))
    except HfHubHTTPError as error:
        if error.response.status_code != 409 or tagged(target) != commit:
            raise


def _open(target: Target) -> None:
    """Gate, then make public, in this order and only when all is in place."""
    where = target.where
    info = again(lambda: api().repo_info(**where))
    if target.gate and info.gated != target.gate:
        again(lambda: api().update_repo_settings(**where, gated=target.gate))
    if not target.private and info.private:
        again(lambda: api().update_repo_settings(**where, private=False))


@dataclass
class _Attempt:
    """One round of plan, upload and commit; what was uploaded is kept for the next round."""

    local: dict[str, Local]
    target: Target
    message: str
    progress: Progress | None
    operations: dict[str, Any] = field(default_factory=dict)

    def __call__(self) -> tuple[Plan, str | None, str | None]:
        from huggingface_hub import CommitOperationDelete

        plan = plan_commit(self.local, self.target)
        if not plan.add and not plan.delete:
            return plan, None, None
        operations = self._uploaded(plan) + [CommitOperationDelete(name, is_folder=False) for name in plan.delete]
        head = None if self.target.create_pr else plan.head
        made = api().create_commit(
            **self.target.where, operations=operations, commit_message=self.message, parent_commit=head,
            revision=self.target.revision, create_pr=self.target.create_pr,
        )  # fmt: skip
        return plan, made.oid, made.pr_url

    def _uploaded(self, plan: Plan) -> list[Any]:
        from huggingface_hub import CommitOperationAdd

        done, total = 0, sum(self.local[name].bytes for name in plan.add)
        for name in plan.add:
            file = self.local[name]
            if self.progress:
                self.progress(done, total, name)
            operation = self.operations.setdefault(name, CommitOperationAdd(name, file.path))
            operation.upload_info.sha256 = bytes.fromhex(file.sha256)
            api().preupload_lfs_files(
                additions=[operation], revision=self.target.revision, create_pr=self.target.create_pr,
                free_memory=False, **self.target.where,
            )  # fmt: skip
            done += file.bytes
        return [self.operations[name] for name in plan.add]


def _verify(local: dict[str, Local], plan: Plan, target: Target, revision: str) -> None:
    """The tree of the new commit holds every file with our digest and none that was to go."""
    tree = tree_at(target, revision)
    wrong = [name for name, file in local.items() if name not in tree or not equal(file, tree[name])]
    wrong += [name for name in plan.delete if name in tree]
    if wrong:
        raise ConflictError(f"{target.repo_id}: commit {revision[:12]} does not hold our {wrong[0]}. Push again.")
