"""Fixtures: a running loopback Hub, the real clients of this process pointed at it, the command in this process."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hub.loopback import WRITE, Hub, loopback_hub


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A loopback Hub in LFS mode; huggingface_hub and datasets talk to it as the user `writer`."""
    with loopback_hub(tmp_path / "hub") as running:
        point_clients(running, tmp_path, monkeypatch)
        monkeypatch.setattr("chimed.hub.client.pause", lambda attempt: 0.01)
        yield running


@pytest.fixture
def xet_hub(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """The same with Xet storage, as the stock client keeps it in a local folder."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", False)
    hub.use_xet()
    return hub


def point_clients(hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what the clients read at import time."""
    import datasets
    from huggingface_hub import constants

    home = folder / "hf"
    monkeypatch.setenv("HF_TOKEN", WRITE)
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
    template = hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(constants, "HF_XET_CACHE", str(home / "xet"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", hub.endpoint)
    url = hub.endpoint + "/datasets/{repo_id}/resolve/{revision}/{path}"
    monkeypatch.setattr(datasets.config, "HUB_DATASETS_URL", url)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", home / "datasets")


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def chimed(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run `chimed …` in this process."""
    from chimed.cli import main

    def run(*words: object) -> Ran:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["chimed", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capfd.readouterr()
        return Ran(code, out, err)

    return run
