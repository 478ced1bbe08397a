"""Stages of other packages are found by the same road as ours, and train on it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from running import losses, train

from chimed.errors import ConflictError, UsageError
from qilin_stages import lineage, stage

PLUGIN = Path(__file__).resolve().parent.parent / "plugins" / "orpo"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The third-party package on the path, with its metadata, as an installation would leave it."""
    monkeypatch.syspath_prepend(str(PLUGIN))


def package(folder: Path, dist: str, entries: str) -> None:
    info = folder / f"{dist.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[qilin_stages]\n{entries}\n", encoding="utf-8")


def test_the_stage_is_at_most_thirty_lines() -> None:
    assert len((PLUGIN / "qilin_orpo.py").read_text(encoding="utf-8").splitlines()) <= 31


def test_list_shows_package_and_split_without_torch(installed: None) -> None:
    code = ("import sys; from qilin_stages.cli import app; sys.argv = ['q', 'list', '--json']\n"
            "try: app()\nfinally: assert 'torch' not in sys.modules and 'transformers' not in sys.modules")  # fmt: skip
    env = {**os.environ, "PYTHONPATH": str(PLUGIN)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert list(rows)[:3] == ["cpt", "sft", "dpo"]
    assert rows["orpo"] == {"name": "orpo", "consumes": "dpo", "package": "qilin-orpo 0.3"}
    assert rows["cpt"]["package"].startswith("qilin-chimed")


def test_the_stage_trains_by_its_recipe_like_dpo(installed: None, releases: dict[str, Path], tiny: Path,
                                                 tmp_path: Path) -> None:  # fmt: skip
    run = train("orpo", releases["dpo"], tiny, tmp_path / "orpo", "like=dpo", "train.max_steps=12")
    first, *_, last = losses(run).values()
    assert last < first
    facts = lineage.read(run)
    assert facts["status"] == "done" and facts["stage"] == "orpo" and facts["recipe"]["adapter"]["r"] == 8
    assert (run / "model" / "model.safetensors").is_file()


def test_a_stage_missing_from_a_recipe_says_what_there_is(installed: None, releases: dict[str, Path], tiny: Path,
                                                          tmp_path: Path) -> None:  # fmt: skip
    with pytest.raises(UsageError, match=r"tiny has no \[orpo\] table; it has: cpt, sft, dpo"):
        train("orpo", releases["dpo"], tiny, tmp_path / "orpo")


def test_two_packages_with_one_name_are_both_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(tmp_path, "other-cpt", "cpt = other:CPT")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConflictError, match="two packages offer the stage 'cpt'.*(other-cpt|qilin-chimed).*and"):
        stage.discover()


def test_a_broken_stage_is_a_warning_and_the_others_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                         capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    package(tmp_path, "broken-stage", "broken = no_such_module:Stage")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert [row["name"] for row in stage.listing()][:3] == ["cpt", "sft", "dpo"]
    assert "the stage 'broken' of broken-stage 1.0 cannot be loaded" in capsys.readouterr().err


def test_an_unknown_stage_is_named_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="no stage 'sftt'; there are: cpt, sft, dpo"):
        stage.get("sftt")
