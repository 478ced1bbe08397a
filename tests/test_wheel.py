"""The wheel is enough: it holds all that is no Python, and both commands work from it outside the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from chimed.packaged import folder

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    return Path(next(WheelBuilder(str(ROOT)).build(directory=str(place), versions=["standard"])))


@pytest.fixture(scope="module")
def site(wheel: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(wheel.parent / "site")
    return wheel.parent / "site"


def run(site: Path, package: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A command from the unpacked wheel, in a folder that has nothing of the checkout."""
    code = f"import {package}, {package}.cli; assert {package}.__file__.startswith({str(site)!r}); {package}.cli.main()"
    # kernels would be compiled anew for every place the code lies in; the steps that need them are left out below
    env = {**os.environ, "PYTHONPATH": str(site), "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(command, cwd=site.parent, env=env, capture_output=True, text=True, check=False)


def test_every_file_that_is_no_python_is_in_the_wheel(wheel: Path) -> None:
    places = {f"chimed/{name}": folder(name) for name in ("cards", "schemas", "sample", "recipes")}
    places |= {f"qilin_stages/{name}": ROOT / "qilin_stages" / name for name in ("recipes", "templates")}
    wanted = {
        f"{at}/{p.relative_to(own).as_posix()}" for at, own in places.items() for p in own.rglob("*") if p.is_file()
    }
    wanted |= {"chimed/report/page.html", "chimed/py.typed", "chimed/dedup/normalise.npz", "qilin_stages/py.typed",
               "qilin_stages/evals/safety_prompts.jsonl"}  # fmt: skip
    held = set(zipfile.ZipFile(wheel).namelist())
    assert wanted <= held, sorted(wanted - held)
    assert len([name for name in wanted if "/sample/" in name]) > 40
    assert not [name for name in held if name.startswith(("tests/", "docs/", "benchmarks/")) or "__pycache__" in name]


def test_the_data_command_works_from_the_wheel(site: Path) -> None:
    steps = ("--dedup", "off", "--guard", "off")
    built = run(site, "chimed", "build", "--split", "dpo", "--sample", *steps, "--out", "built")
    assert built.returncode == 0, built.stderr
    assert (site.parent / "built" / "ChiMed-DPO" / "report.html").is_file()
    checked = run(site, "chimed", "validate", "built/ChiMed-DPO")
    assert checked.stdout == "built/ChiMed-DPO: sound\n", checked.stderr


def test_the_schemas_of_the_wheel_are_those_of_its_code(site: Path) -> None:
    checked = run(site, "chimed", "schema", "--check")
    assert checked.returncode == 0, checked.stderr
    assert str(site / "chimed" / "schemas") in checked.stdout


def test_the_stages_are_found_from_the_wheel(site: Path) -> None:
    listed = run(site, "qilin_stages", "list")
    assert [name for name in ("cpt", "sft", "dpo") if name in listed.stdout] == ["cpt", "sft", "dpo"]
    assert listed.stderr == ""
