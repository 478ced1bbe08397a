"""What `qilin-stage` takes from the Hub: by revision, again without a network, and with words where it cannot."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hub.loopback import READ, Fault, Hub
from releases import make_release

from chimed.errors import AuthError, DataError, NetworkError, UsageError
from chimed.hub import publish_folder, push_to_hub
from qilin_stages.data.split import open_data
from qilin_stages.model.base import folder_of

Open = Callable[[str], Any]
BOTH = pytest.mark.parametrize("opened", [open_data, folder_of])


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it to be offline from then on."""
    return lambda: monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def test_a_release_is_opened_by_its_commit_and_again_offline(
    hub: Hub, tmp_path: Path, offline: Callable[[], None], capfd: pytest.CaptureFixture[str]
) -> None:
    push_to_hub(make_release(tmp_path, "sft"), "org/X", tag="v1")
    capfd.readouterr()
    data = open_data("org/X@v1", "sft")
    assert capfd.readouterr() == ("", ""), "bars are for terminals"
    assert data.rows() == 12 and data.revision == hub.repo("org/X").branches["main"]
    offline()
    assert open_data("org/X@v1", "sft") == data


def test_a_model_comes_without_pickled_weights(hub: Hub, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors", "pytorch_model.bin"):
        (tmp_path / name).write_text("{}", encoding="utf-8")
    publish_folder(tmp_path, "org/M", files=["config.json", "model.safetensors", "pytorch_model.bin"])
    assert {"config.json", "model.safetensors"} == {
        path.name for path in folder_of("org/M@main").iterdir() if path.name != "manifest.json"
    }


@BOTH
def test_what_is_neither_there_nor_reachable_is_said_in_words(
    hub: Hub, opened: Open, offline: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.faults.append(Fault("GET", "/api/", 503, times=9))
    with pytest.raises(NetworkError, match="503|cannot be reached"):
        opened("org/X@main")
    offline()
    with pytest.raises(NetworkError, match="org/X@main: not on this machine, and HF_HUB_OFFLINE is set"):
        opened("org/X@main")


@BOTH
def test_no_repository_no_right_no_revision_no_name(
    hub: Hub, opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AuthError, match="no such"):
        opened("org/none@main")
    push_to_hub(make_release(tmp_path, "sft"), "org/X", private=True)
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    publish_folder(tmp_path, "org/X", files=["config.json"])
    with pytest.raises(DataError, match="no such revision"):
        opened("org/X@v9")
    monkeypatch.setenv("HF_TOKEN", READ)
    with pytest.raises(AuthError, match="not for you to read"):
        opened("org/X@main")
    with pytest.raises(UsageError, match="not the name of a repository"):
        opened("org/a b@main")
