"""The pages are true: their commands run or at least exist, their packages install, generated parts are fresh."""

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hatchling.builders.wheel import WheelBuilder

from chimed.packaged import folder
from chimed.records import REASONS

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
FORBIDDEN = re.compile(
    r"HIPAA[- ]compliant(?!, anonymous)|GDPR|符合 ?HIPAA|fully anonymous|完全匿名化?处理", re.IGNORECASE
)


def blocks(page: str, language: str) -> list[str]:
    """Code blocks of a page in one language; `sh` is run here, `bash` is for the reader's machine."""
    return re.findall(
        rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def write_files(page: str, place: Path) -> None:
    """Write the files that a page shows under their names."""
    text = (ROOT / page).read_text(encoding="utf-8")
    shown = re.findall(r"^`([\w./-]+)`:\n\n```\w+\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert shown, f"{page} shows no file"
    for name, content in shown:
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def run(page: str, place: Path, installed: Path | None = None) -> list[str]:
    """Run the `sh` blocks of a page line by line in `place`; what each line printed."""
    bin_folder = str(Path(sys.executable).parent)
    env = {**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(installed or "")}
    printed = []
    for line in "".join(blocks(page, "sh")).splitlines():
        done = subprocess.run(
            shlex.split(line, comments=True), cwd=place, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{page}: {line}\n{done.stderr}"
        printed.append(done.stdout)
    return printed


def install(project: Path, site: Path) -> Path:
    """Build the wheel of a project and unpack it, metadata and all, as pip would."""
    (wheel,) = WheelBuilder(str(project)).build(directory=str(site / "wheels"), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["generate"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    place = tmp_path_factory.mktemp("quickstart")
    return place, run("docs/quickstart.md", place)


def test_quickstart_runs_as_printed(quickstart: tuple[Path, list[str]]) -> None:
    place, printed = quickstart
    assert (place / "build" / "ChiMed-SFT" / "report.html").is_file()
    assert (place / "for-llamafactory" / "dataset_info.json").is_file()
    assert any("lost: no_explanation" in text for text in printed)
    assert any("build/ChiMed-SFT: sound" in text for text in printed)


def test_the_python_of_the_pages_runs_on_the_quickstart_release(quickstart: tuple[Path, list[str]]) -> None:
    place, _ = quickstart
    code = blocks("docs/quickstart.md", "python") + blocks("docs/loss-reasons.md", "python")
    env = {**os.environ, "HF_DATASETS_CACHE": str(place / "cache"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(code)], cwd=place, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "'role': 'user'" in done.stdout
    assert "exact_duplicate" in done.stdout and "similarity" in done.stdout


def test_loss_reasons_page_runs(quickstart: tuple[Path, list[str]]) -> None:
    assert "empty_answer" in run("docs/loss-reasons.md", quickstart[0])[0]


def test_every_reason_is_explained_once() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "loss-reasons.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(REASONS)


def test_a_source_of_an_outside_package_is_added_as_the_page_says(tmp_path: Path) -> None:
    write_files("docs/add-a-source.md", tmp_path)
    _, built, lost = run("docs/add-a-source.md", tmp_path, install(tmp_path, tmp_path / "site"))
    assert "ChiMed-SFT: 2 rows" in built and "clinic_faq" in built
    assert "reason: empty_answer" in lost


def test_a_stage_of_an_outside_package_is_added_as_the_page_says(
    tmp_path: Path, quickstart: tuple[Path, list[str]]
) -> None:
    write_files("docs/add-a-stage.md", tmp_path)
    plugin = ROOT / "tests" / "plugins" / "orpo"
    assert (tmp_path / "qilin_orpo.py").read_bytes() == (plugin / "qilin_orpo.py").read_bytes()
    listed, planned = run("docs/add-a-stage.md", quickstart[0], install(tmp_path, tmp_path / "site"))
    assert "qilin-orpo 0.3" in listed
    assert "qilin-stage run orpo" in planned


def test_the_recipe_page_builds_with_a_source_without_code(tmp_path: Path) -> None:
    write_files("docs/recipes.md", tmp_path)
    for name in ("school_math", "chinese_medical_dialogue"):
        shutil.copytree(folder("sample") / name, tmp_path / "upstream" / name)
    checked = run("docs/recipes.md", tmp_path)[0]
    assert checked.startswith("clinic_faq: clinic/faq.jsonl") and "empty_answer" in checked
    manifest = json.loads((tmp_path / "build" / "ChiMed-SFT" / "manifest.json").read_text(encoding="utf-8"))
    entries = {entry["source"]: entry for entry in manifest["sources"]}
    assert entries["clinic_faq"]["lost"] == {"empty_answer": 1}
    medical = entries["clinic_faq"]["records"] + entries["chinese_medical_dialogue"]["records"]
    assert (medical, entries["school_math"]["records"]) == (60, 20)


def commands(page: str) -> Iterator[list[str]]:
    """Words of every command of ours that a page shows, whatever launches it."""
    for text in [*blocks(page, "sh"), *blocks(page, "bash")]:
        for line in text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            for start, name in (("chimed", "chimed"), ("qilin-stage", "qilin-stage"), ("qilin_stages", "qilin-stage")):
                if start in words:
                    yield [name, *words[words.index(start) + 1 :]]


@pytest.mark.parametrize("page", NAMES)
def test_every_command_and_option_shown_exists(page: str, generate: ModuleType) -> None:
    from chimed.cli import app as chimed
    from qilin_stages.cli import app as stages

    known = {"chimed": generate.verbs(chimed), "qilin-stage": generate.verbs(stages)}
    for name, verb, *words in commands(page):
        assert verb in known[name], f"{page}: {name} {verb}"
        options = {
            one for taken in generate.parameters(known[name][verb]) for flag in taken.names for one in flag.split("/")
        }
        wrong = [word for word in words if re.match(r"--?[a-z]", word) and word not in options]
        assert not wrong, f"{page}: {name} {verb} has no {wrong}"


def test_generated_pages_are_fresh(generate: ModuleType) -> None:
    stale = [path.name for path, text in generate.pages().items() if path.read_text(encoding="utf-8") != text]
    assert not stale, f"run python docs/generate.py: {stale}"


def test_the_module_graph_has_every_import_and_no_circle(generate: ModuleType) -> None:
    for package in generate.PACKAGES:
        graph = generate.imports_of(package)
        assert {generate.room(path, package) for path in generate.modules(package)} - {"__init__", "__main__"} == set(
            graph
        )
        for room in graph:
            assert room not in generate.reached(graph, room), f"{package}.{room} imports itself over others"
            drawn = {near: generate.reduced(graph, near) for near in graph}
            assert generate.reached(drawn, room) == generate.reached(graph, room)


@pytest.mark.parametrize("page", NAMES)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        linked = (ROOT / page).parent / path if path else ROOT / page
        assert linked.exists(), f"{page}: {target}"
        if anchor:
            heads = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", head).strip().lower().replace(" ", "-") for head in heads}, target


@pytest.mark.parametrize("page", NAMES)
def test_no_page_claims_what_does_not_hold(page: str) -> None:
    claims = FORBIDDEN.findall(" ".join((ROOT / page).read_text(encoding="utf-8").split()))
    assert not claims


def test_both_readmes_tell_what_it_is_not_and_show_the_same_table() -> None:
    english, chinese = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh.md"))
    assert "rule-based masking with measured recall" in english and "For research only" in english
    assert "基于规则的遮蔽，召回率经测量" in chinese and "仅供研究" in chinese
    for name in ("ChiMed-CPT", "ChiMed-SFT", "ChiMed-DPO", "docs/road.svg", "make demo", "make test"):
        assert name in english and name in chinese


def test_the_readme_counts_the_sources_that_there_are() -> None:
    from chimed.source import discover

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for split in ("cpt", "sft", "dpo"):
        count = sum(split in source.serves and not source.only_when_named for source in discover().values())
        assert f"| ChiMed-{split.upper()} | {count} sources" in text
