"""Publishing a release: what readers then load, what stays at home, and what a second push does."""

import json
from pathlib import Path

import datasets
import pytest
from hub.loopback import Hub
from huggingface_hub import HfApi
from releases import make_release, some_row, some_rows

from chimed.hub import push_to_hub
from chimed.parquet import sha256_of


def load(repo: str, config: str = "default", **more: object) -> datasets.Dataset:
    return datasets.load_dataset(repo, config, split="train", **more)


def commits(hub: Hub, repo: str, revision: str = "main") -> int:
    return len(hub.repo(repo).history(revision))


@pytest.mark.parametrize("mode", ["lfs", "xet"])
@pytest.mark.parametrize(("split", "rows"), [("cpt", 12), ("sft", 12), ("dpo", 12)])
def test_everyone_loads_what_was_pushed(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split: str, rows: int, mode: str
) -> None:
    if mode == "xet":
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", False)
        hub.use_xet()
    release = make_release(tmp_path, split, shard_bytes=600)
    result = push_to_hub(release, "org/X")
    assert result.status == "published" and commits(hub, "org/X") == 2
    loaded = load("org/X")
    assert loaded.num_rows == rows
    allowed = {row["id"]: row for row in some_rows(split) if row["source"] not in {"cpubmed_kg", "meddialog_cn"}}
    assert {row["id"]: row for row in loaded} == allowed
    assert sum(1 for _ in load("org/X", streaming=True)) == rows
