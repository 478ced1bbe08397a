"""The loopback Hub against the stock clients: what they upload they get back."""

import os
import subprocess
import sys
from pathlib import Path

import datasets
import pytest
from hub.loopback import READ, WRITE, Hub
from huggingface_hub import HfApi, errors


def test_datasets_pushes_and_loads(hub: Hub) -> None:
    made = datasets.Dataset.from_dict({"id": ["a", "b"], "text": ["甲", "乙"]})
    made.push_to_hub("org/plain", private=True)
    back = datasets.load_dataset("org/plain", split="train")
    assert back["text"][:] == ["甲", "乙"]
    rows = list(datasets.load_dataset("org/plain", split="train", streaming=True))
    assert [row["id"] for row in rows] == ["a", "b"]


def test_rights(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    api = HfApi()
    api.create_repo("org/shut", repo_type="dataset", private=True)
    monkeypatch.setenv("HF_TOKEN", READ)
    with pytest.raises(errors.RepositoryNotFoundError):
        HfApi().dataset_info("org/shut")
    with pytest.raises(errors.HfHubHTTPError) as caught:
        HfApi().create_repo("org/new", repo_type="dataset")
    assert caught.value.response.status_code == 403


def test_large_files_travel_in_parts(hub: Hub, tmp_path: Path) -> None:
    big = tmp_path / "big.bin"
    big.write_bytes(os.urandom(33 * 2**20))
    api = HfApi()
    api.create_repo("writer/model")
    api.upload_file(path_or_fileobj=big, path_in_repo="big.bin", repo_id="writer/model")
    assert len(hub.calls("PUT", r"/lfs/\w+/\d")) == 5
    assert Path(api.hf_hub_download("writer/model", "big.bin")).read_bytes() == big.read_bytes()


def test_the_hf_command_works(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("甲", encoding="utf-8")
    env = os.environ | {"HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1",
                        "HF_HUB_DISABLE_UPDATE_CHECK": "1", "HF_TOKEN": WRITE, "HF_ENDPOINT": hub.endpoint}  # fmt: skip
    run = [sys.executable, "-m", "huggingface_hub.cli.hf"]
    up = [*run, "upload", "org/cli", str(tmp_path / "a.txt"), "a.txt", "--repo-type", "dataset"]
    subprocess.run(up, env=env, check=True, capture_output=True)
    down = [*run, "download", "org/cli", "--repo-type", "dataset", "--local-dir", str(tmp_path / "got")]
    subprocess.run(down, env=env, check=True, capture_output=True)
    assert (tmp_path / "got/a.txt").read_text(encoding="utf-8") == "甲"


def test_xet_keeps_and_returns_bytes(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", False)
    hub.use_xet()
    data = os.urandom(300_000) + b"ab" * 400_000
    (tmp_path / "x.bin").write_bytes(data)
    api = HfApi()
    api.create_repo("org/xet", repo_type="dataset")
    api.upload_file(path_or_fileobj=tmp_path / "x.bin", path_in_repo="x.bin", repo_id="org/xet", repo_type="dataset")
    assert not hub.calls("PUT")
    assert Path(api.hf_hub_download("org/xet", "x.bin", repo_type="dataset")).read_bytes() == data
