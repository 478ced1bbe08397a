"""Fixtures: a running loopback Hub, and the real clients of this process pointed at it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub.loopback import WRITE, Hub, loopback_hub


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A loopback Hub in LFS mode; huggingface_hub and datasets talk to it as the user `writer`."""
    with loopback_hub(tmp_path / "hub") as running:
        point_clients(running, tmp_path, monkeypatch)
        yield running


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
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", hub.endpoint)
    url = hub.endpoint + "/datasets/{repo_id}/resolve/{revision}/{path}"
    monkeypatch.setattr(datasets.config, "HUB_DATASETS_URL", url)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", home / "datasets")
