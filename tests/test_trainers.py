"""Datasets, TRL and other houses' trainers read a pushed release: every row, the same turns, no code."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from releases import make_release, some_rows

ROOT = Path(__file__).resolve().parent.parent
SYSTEM = {"role": "system", "content": "你是一名药师，只按说明书回答。"}


def environment_of(name: str) -> Path | None:
    spec = importlib.util.spec_from_file_location("trainer_envs", ROOT / "benchmarks" / "trainer_envs.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["trainer_envs"] = module
    spec.loader.exec_module(module)
    found = module.python(name)
    return found if found is None else Path(found)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both releases, with single and many turns, a system text, characters that trainers treat as their own."""
    folder = tmp_path_factory.mktemp("trainers")
    for split, turns in (("sft", "messages"), ("dpo", "prompt")):
        rows = some_rows(split, 9)
        rows[0][turns] = [SYSTEM, *rows[0][turns]]
        rows[1][turns] = [
            {"role": "user", "content": "体温 {{ x }} ≥38.5℃ </s> <image>\n\n剂量 0.5–1 mg/kg\t{role}?"},
            *rows[1][turns][1:],
        ]
        make_release(folder, split, rows=rows, validation=1)
    return folder


def results(build: Path, reader: str) -> list[dict[str, object]]:
    command = [
        sys.executable,
        str(ROOT / "benchmarks" / "trainers.py"),
        "--release",
        str(build),
        "--only",
        reader,
        "--json",
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    return list(json.loads(ran.stdout))


@pytest.fixture(scope="module")
def own(build: Path) -> list[dict[str, object]]:
    return results(build, "datasets,trl")


def test_every_config_loads_whole_and_streamed(own: list[dict[str, object]]) -> None:
    found = [r for r in own if r["trainer"] == "datasets"]
    assert all(r["good"] for r in found)
    roads = {(r["split"], r["road"]) for r in found}
    assert {("dpo", f"{mode}, {config}") for mode in ("plain", "streaming") for config in ("default", "swift")} <= roads
    assert ("sft", "streaming, permissive") in roads


def check(found: list[dict[str, object]]) -> None:
    assert {r["split"] for r in found} == {"sft", "dpo"}
    for result in found:
        assert not result["skipped"] and result["good"], result


def test_trl_makes_the_same_turns_of_every_row(own: list[dict[str, object]]) -> None:
    check([r for r in own if r["trainer"] == "trl"])


@pytest.mark.parametrize("reader", ["llamafactory", "swift", "axolotl"])
def test_a_trainer_makes_the_same_turns_of_every_row(build: Path, reader: str) -> None:
    if environment_of(reader) is None:
        pytest.skip(f"{reader} has no environment here: python benchmarks/trainers.py --setup {reader}")
    check(results(build, reader))
