"""Small releases, a tiny model and its tokenizer, shared by the training tests; nothing outside temporary folders."""

import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from small_releases import make_release


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A release of 120 rows per split."""
    folder = tmp_path_factory.mktemp("releases")
    return {split: make_release(folder, split, 120) for split in ("cpt", "sft", "dpo")}  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def tiny(releases: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model: hidden 32, two layers."""
    from qilin_stages.data.split import open_data
    from qilin_stages.model.tiny import make

    out = tmp_path_factory.mktemp("models") / "tiny"
    make(out, [open_data(str(path)) for path in releases.values()], vocabulary=700, hidden=32)
    return out
