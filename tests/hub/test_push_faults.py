"""Publishing when something is in the way: busy servers, lost answers, other writers, rights, mirrors."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hub.loopback import READ, WRITE, Hub
from huggingface_hub import HfApi
from releases import make_release, some_rows

from chimed.errors import ConflictError, NetworkError
from chimed.hub import push_to_hub

Run = Callable[..., Any]


def states(hub: Hub) -> int:
    return len(hub.repo("org/X").history("main")) - 1


@pytest.mark.parametrize(
    ("status", "after"), [(409, False), (412, False), (429, False), (503, False), (500, True), (504, True)]
)
def test_the_commit_is_repeated_until_it_stands_once(hub: Hub, tmp_path: Path, status: int, after: bool) -> None:
    hub.fail("POST", "/commit/", status, times=1 if after else 2, after=after)
    result = push_to_hub(make_release(tmp_path, "sft"), "org/X", tag="v1")
    assert states(hub) == 1 and hub.repo("org/X").tags == {"v1": result.commit}
    assert len(hub.calls("PUT", "/lfs/")) == len({call.path for call in hub.calls("PUT", "/lfs/")})


def test_a_lost_connection_after_the_commit(hub: Hub, tmp_path: Path) -> None:
    hub.fail("POST", "/commit/", 0, after=True)
    push_to_hub(make_release(tmp_path, "sft"), "org/X")
    assert states(hub) == 1


def test_cut_uploads_are_sent_again(hub: Hub, tmp_path: Path) -> None:
    hub.fail("PUT", "/lfs/", 0)
    push_to_hub(make_release(tmp_path, "sft"), "org/X")
    assert states(hub) == 1


def test_a_lost_answer_to_the_tag(hub: Hub, tmp_path: Path) -> None:
    hub.fail("POST", "/tag/", 500, after=True)
    result = push_to_hub(make_release(tmp_path, "sft"), "org/X", tag="v1")
    assert hub.repo("org/X").tags == {"v1": result.commit}


@pytest.mark.parametrize(("status", "error", "code"), [(412, ConflictError, 4), (503, NetworkError, 5)])
def test_patience_ends(hub: Hub, tmp_path: Path, chimed: Run, status: int, error: type[Exception], code: int) -> None:
    release = make_release(tmp_path, "sft")
    hub.fail("POST", "/commit/", status, times=99)
    with pytest.raises(error):
        push_to_hub(release, "org/X")
    assert len(hub.calls("POST", "/commit/")) == 6 and states(hub) == 0
    assert chimed("push", release.path, "--repo", "org/X").code == code


def test_two_writers_at_once(hub: Hub, tmp_path: Path) -> None:
    releases = [make_release(tmp_path / str(n), "sft", rows=some_rows("sft", 4 + n)) for n in range(3)]
    threads = [threading.Thread(target=push_to_hub, args=(release, "org/X")) for release in releases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    repo = hub.repo("org/X")
    for commit in repo.history("main")[:-1]:
        listed = {file["path"]: file["sha256"] for file in json.loads(commit.tree["manifest.json"].data)["files"]}
        assert {name for name in commit.tree if name.startswith("data/")} == {
            n for n in listed if n.startswith("data/")
        }
        assert all(commit.tree[name].sha256 == listed[name] for name in listed if name.endswith(".parquet"))
    assert 1 <= states(hub) <= 3


def test_another_writers_file_between_plan_and_commit(hub: Hub, tmp_path: Path) -> None:
    push_to_hub(make_release(tmp_path / "a", "sft"), "org/X")
    api, original = HfApi(), hub._handle
    done: list[bool] = []

    def interfere(request: Any, path: str, body: bytes) -> Any:
        if "/commit/" in path and not done:
            done.append(True)
            repo = hub.repo("org/X")
            head = repo.at("main")
            repo.branches["main"] = repo.add("theirs", head.tree | {"THEIRS.md": head.tree["README.md"]}, head.oid).oid
        return original(request, path, body)

    hub._handle = interfere  # type: ignore[method-assign]
    push_to_hub(make_release(tmp_path / "b", "sft", rows=some_rows("sft", 9)), "org/X")
    assert "THEIRS.md" in api.list_repo_files("org/X", repo_type="dataset") and states(hub) == 3


@pytest.mark.parametrize(
    ("token", "prepare", "code"),
    [
        ("hf_wrongwrongwrongwrongwrongwrong", "", 3), (READ, "", 3), (READ, "public", 3), (READ, "private", 3),
        ("", "", 3), (WRITE, "foreign", 3),
    ],
)  # fmt: skip
def test_no_right_no_push(
    hub: Hub, tmp_path: Path, chimed: Run, monkeypatch: pytest.MonkeyPatch, token: str, prepare: str, code: int
) -> None:
    if prepare in {"public", "private"}:
        HfApi().create_repo("org/X", repo_type="dataset", private=prepare == "private")
    release = make_release(tmp_path, "sft")
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    else:
        monkeypatch.delenv("HF_TOKEN")
    ran = chimed("push", release.path, "--repo", "somebody/X" if prepare == "foreign" else "org/X")
    assert ran.code == code and "Traceback" not in ran.err and ran.err.startswith("error: ")
    assert not token or token not in ran.out + ran.err
    assert not hub.calls("PUT") and not hub.calls("POST", "/commit/")


def test_the_token_is_in_no_output_even_when_debugging(hub: Hub, tmp_path: Path) -> None:
    release = make_release(tmp_path, "sft")
    hub.fail("POST", "/commit/", 409)
    env = os.environ | {"HF_DEBUG": "1", "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path / "home"),
                        "HF_TOKEN": WRITE, "HF_ENDPOINT": hub.endpoint}  # fmt: skip
    words = [sys.executable, "-c", "from chimed.cli import main; main()", "push", str(release.path), "--repo", "org/X"]
    ran = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0 and states(hub) == 1
    assert WRITE not in ran.stdout + ran.stderr


def test_a_dry_run_only_looks_and_tells_what_the_push_does(hub: Hub, tmp_path: Path, chimed: Run) -> None:
    push_to_hub(make_release(tmp_path / "a", "sft", shard_bytes=300), "org/X")
    release = make_release(tmp_path / "b", "sft", rows=some_rows("sft", 4))
    hub.log.clear()
    dry = chimed("push", release.path, "--repo", "org/X", "--dry-run")
    assert {call.method for call in hub.log} <= {"GET", "HEAD"} and dry.code == 0
    real = chimed("push", release.path, "--repo", "org/X")

    def handled(text: str) -> list[str]:
        return [line for line in text.splitlines() if line.startswith(("add", "delete", "refused"))]

    assert handled(dry.out) == handled(real.out)
    assert {line.split()[0] for line in handled(dry.out)} == {"add", "delete", "refused"}


def test_a_dry_run_makes_no_repository(hub: Hub, tmp_path: Path, chimed: Run) -> None:
    ran = chimed("push", make_release(tmp_path, "sft").path, "--repo", "org/New", "--dry-run", "--json")
    told = json.loads(ran.out)
    assert not hub.world.repos and told["status"] == "planned" and told["refused"][0]["source"] == "meddialog_cn"
    assert told["bytes"] == sum(told["added"].values())


@pytest.mark.parametrize("state", ["absent", "private", "gated"])
def test_a_dry_run_needs_no_token(
    hub: Hub, tmp_path: Path, chimed: Run, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    """It sees what a stranger sees, and says so; with the token the same push then does what was told."""
    if state != "absent":
        push_to_hub(make_release(tmp_path / "a", "sft", shard_bytes=300), "org/X", private=state == "private")
    release = make_release(tmp_path / "b", "sft", rows=some_rows("sft", 4))
    monkeypatch.delenv("HF_TOKEN")
    hub.log.clear()
    dry = json.loads(chimed("push", release.path, "--repo", "org/X", "--dry-run", "--json", *OPEN[state]).out)
    assert {call.method for call in hub.log} <= {"GET", "HEAD"}
    words = {"gated": "the repository is gated, so which of its"}.get(state, "private or not there yet")
    assert words in dry["unseen"] and dry["unseen"] in chimed("push", release.path, "--repo", "org/X", "--dry-run").out
    assert not dry["deleted"] and not dry["foreign"]
    monkeypatch.setenv("HF_TOKEN", WRITE)
    real = json.loads(chimed("push", release.path, "--repo", "org/X", "--json", *OPEN[state]).out)
    assert real["unseen"] == "" and bool(real["deleted"]) == (state != "absent")
    if state != "private":
        assert dry["added"] == real["added"] and dry["unchanged"] == real["unchanged"]


OPEN: dict[str, list[str]] = {"absent": [], "private": [], "gated": ["--public"]}


def test_a_stranger_has_to_name_the_owner(
    hub: Hub, tmp_path: Path, chimed: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    ran = chimed("push", make_release(tmp_path, "sft").path, "--repo", "X", "--dry-run")
    assert ran.code == 2 and "ORG/NAME" in ran.err


def test_a_dry_run_refuses_what_the_push_would(hub: Hub, tmp_path: Path, chimed: Run) -> None:
    HfApi().create_repo("org/X", repo_type="dataset", private=False)
    ran = chimed("push", make_release(tmp_path, "sft").path, "--repo", "org/X", "--dry-run")
    assert ran.code == 4 and "public and not gated" in ran.err


def test_the_plan_is_what_arrives(hub: Hub, tmp_path: Path, chimed: Run) -> None:
    """File list and bytes of the plan equal what the Hub then holds and what went over the wire."""
    release = make_release(tmp_path, "sft", shard_bytes=300)
    dry = json.loads(chimed("push", release.path, "--repo", "org/X", "--dry-run", "--json").out)
    real = json.loads(chimed("push", release.path, "--repo", "org/X", "--json").out)
    tree = {name: entry.size for name, entry in hub.repo("org/X").files().items() if name != ".gitattributes"}
    assert dry["added"] == real["added"] == tree and dry["bytes"] == real["bytes"] == sum(tree.values())
    large = [entry.size for entry in hub.repo("org/X").files().values() if entry.sha256]
    assert sum(call.bytes for call in hub.calls("PUT", "/lfs/")) == sum(large)


def test_offline_is_refused(hub: Hub, tmp_path: Path, chimed: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    ran = chimed("push", make_release(tmp_path, "sft").path, "--repo", "org/X")
    assert ran.code == 5 and "HF_HUB_OFFLINE" in ran.err and not hub.log


def test_a_hub_without_xet(hub: Hub, tmp_path: Path, chimed: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", False)
    ran = chimed("push", make_release(tmp_path, "sft").path, "--repo", "org/xet")
    assert ran.code == 5 and "HF_HUB_DISABLE_XET=1" in ran.err


def test_a_mirror_that_is_not_there(hub: Hub, tmp_path: Path, chimed: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    ran = chimed("push", make_release(tmp_path, "sft").path, "--repo", "org/X")
    assert ran.code == 5 and "HF_ENDPOINT is http://127.0.0.1:9" in ran.err


@pytest.mark.parametrize("name", ["a/b/c", "org/-bad-", "org/两"])
def test_names_that_no_repository_has(hub: Hub, tmp_path: Path, chimed: Run, name: str) -> None:
    ran = chimed("push", make_release(tmp_path, "sft").path, "--repo", name)
    assert ran.code == 2 and not hub.calls("POST")
