"""Where a push goes and who sees it: branches, tags, pull requests, private, gated and public repositories."""

from pathlib import Path

import datasets
import pytest
from hub.loopback import OTHER, Hub
from huggingface_hub import HfApi
from releases import changed

from chimed.errors import AuthError, ConflictError, NetworkError
from chimed.hub import push_to_hub


def test_branch_with_a_slash_and_tags_that_stay(hub: Hub, tmp_path: Path) -> None:
    release = changed(tmp_path / "a")
    result = push_to_hub(release, "org/X", revision="next/1", tag="v1.0.0")
    repo = hub.repo("org/X")
    assert repo.branches["next/1"] == repo.tags["v1.0.0"] == result.commit != repo.branches["main"]
    assert datasets.load_dataset("org/X", split="train", revision="next/1").num_rows == 24
    assert push_to_hub(release, "org/X", revision="next/1", tag="v1.0.0").status == "unchanged"
    hub.log.clear()
    with pytest.raises(ConflictError, match="v1.0.0"):
        push_to_hub(changed(tmp_path / "b", edit=True), "org/X", revision="next/1", tag="v1.0.0")
    assert repo.tags["v1.0.0"] == result.commit and not hub.calls("PUT")


def test_a_run_that_died_before_the_tag_is_finished_by_the_next(hub: Hub, tmp_path: Path) -> None:
    release = changed(tmp_path / "a")
    push_to_hub(release, "org/X")
    result = push_to_hub(release, "org/X", tag="v1", private=False)
    assert result.status == "unchanged" and hub.repo("org/X").tags["v1"] == result.commit
    assert not hub.repo("org/X").private and hub.repo("org/X").gated == "auto"


def test_pull_request_leaves_the_branch_alone(hub: Hub, tmp_path: Path) -> None:
    push_to_hub(changed(tmp_path / "a"), "org/X")
    head = hub.repo("org/X").branches["main"]
    result = push_to_hub(changed(tmp_path / "b", edit=True), "org/X", create_pr=True, tag="v2")
    repo = hub.repo("org/X")
    assert result.status == "proposed" and result.pull_request and len(repo.pulls) == 1
    assert repo.branches["main"] == head and not repo.tags
    hub.fail("POST", "/commit/", 500, after=True)
    with pytest.raises(NetworkError, match="500"):
        push_to_hub(changed(tmp_path / "c", drop=3), "org/X", create_pr=True)
    assert len(repo.pulls) == 2


def test_who_may_not_write_may_propose(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    push_to_hub(changed(tmp_path / "a"), "org/X", private=False)
    hub.world.granted.add(("other", "org/X"))
    head = hub.repo("org/X").branches["main"]
    monkeypatch.setenv("HF_TOKEN", OTHER)
    release = changed(tmp_path / "b", edit=True)
    with pytest.raises(AuthError):
        push_to_hub(release, "org/X")
    assert push_to_hub(release, "org/X", create_pr=True).status == "proposed"
    assert hub.repo("org/X").branches["main"] == head and list(hub.repo("org/X").pulls) == [1]


@pytest.mark.parametrize("gated", [None, "manual"])
def test_never_public_and_ungated(hub: Hub, tmp_path: Path, gated: str | None) -> None:
    push_to_hub(changed(tmp_path / "a"), "org/X", private=False, gated=gated)
    repo = hub.repo("org/X")
    assert (repo.private, repo.gated) == (False, gated or "auto")
    assert (False, False) not in repo.seen and repo.seen[0] == (True, False)
    assert repo.seen[-1] == (False, gated or "auto")


def test_an_open_repository_is_gated_before_anything_is_sent(hub: Hub, tmp_path: Path) -> None:
    HfApi().create_repo("org/X", repo_type="dataset", private=False)
    with pytest.raises(ConflictError, match="public and not gated"):
        push_to_hub(changed(tmp_path / "a"), "org/X")
    assert len(hub.repo("org/X").commits) == 1
    hub.log.clear()
    push_to_hub(changed(tmp_path / "b"), "org/X", private=False)
    order = [call.path for call in hub.log if call.method in {"PUT", "POST"}]
    assert next(i for i, p in enumerate(order) if "/settings" in p) < next(
        i for i, p in enumerate(order) if "/lfs" in p
    )
