"""Whole evaluations on tiny models: floors, intervals and tests beside scores; the same bytes twice and after a kill."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from evals_models import choice_items, exam_items, free_items, llama
from typer.testing import CliRunner

from chimed.errors import DataError, UsageError
from qilin_stages.cli import app
from qilin_stages.evals import answers, items, order, prompts, runner, tasks
from qilin_stages.evals.task import Answer, Item, Request, load, names

TASKS = ("cmexam", "cmexam-explanation", "ceval", "huatuo", "safety")
SETS = {"ceval": choice_items(), "cmexam_test": exam_items(), "huatuo26m_test": free_items()}


@pytest.fixture(autouse=True)
def _sets(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(items, "read", lambda data, name: SETS[name])


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("chain")
    return [str(llama(folder / name, seed=i)) for i, name in enumerate(("base", "sft"))]


@pytest.fixture
def short() -> Iterator[None]:
    """Generations of four tokens: the tests are about the road, not the text."""
    with pytest.MonkeyPatch.context() as patch:
        made = Request.__init__

        def brief(self: Request, *args: object, **more: object) -> None:
            more["max_new_tokens"] = 4
            made(self, *args, **more)  # type: ignore[arg-type]

        patch.setattr(Request, "__init__", brief)
        yield


def settings(models: list[str], out: Path, **more: object) -> runner.Settings:
    return runner.Settings(models, TASKS, out, out, **more)  # type: ignore[arg-type]


def quiet(done: int, total: int, words: str) -> None:
    """Progress that nobody watches."""


def digest(folder: Path) -> dict[str, str]:
    return {
        str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest()
        for f in sorted(folder.rglob("*"))
        if f.is_file()
    }


@pytest.mark.usefixtures("short")
def test_an_evaluation_shows_floors_intervals_tests_and_the_paper(models: list[str], tmp_path: Path) -> None:
    dirty = tmp_path / "overlap.parquet"
    pq.write_table(pa.table({"set": ["huatuo26m_test"] * 2, "item": ["h0", "h3"], "contaminated": [True, True]}), dirty)
    results = runner.evaluate(settings(models, tmp_path / "out", overlap=[dirty], shifts=2), quiet)
    by_name = {r["task"]: r for r in results["tasks"]}
    assert set(by_name) == set(TASKS)
    for result in by_name.values():
        assert set(result["models"]) == set(models) and len(result["floors"]) >= 2
        assert all(0 <= test["p"] <= test["p_holm"] <= 1 for test in result["comparisons"])
        assert result["comparisons"]
    exam, huatuo, ceval = by_name["cmexam"], by_name["huatuo"], by_name["ceval"]
    for row in exam["models"].values():
        assert row["n"] == 10 and row["n_multiple"] == 2 and row["coverage_logprob"] == 80
        low, high = row["accuracy_ci"]
        assert low <= row["accuracy"] <= high
    assert exam["paper"]["comparable"] is False and "33.5" in json.dumps(exam["paper"])
    assert set(huatuo["floors"]) == {"random other answer", "question copied", "one fixed reply"}
    assert "tok:char" in next(iter(huatuo["models"].values()))["signature"]
    assert huatuo["overlap"][models[0]]["contaminated"]["n"] == 2 and huatuo["overlap"][models[0]]["clean"]["n"] == 8
    row = ceval["models"][models[0]]
    assert row["n"] == 24 and row["without_key"] == 6 and set(row["subjects"]) == {"basic_medicine", "physician"}
    assert row["macro_ci"][0] <= row["macro"] <= row["macro_ci"][1] and ceval["official_n"] == 13_688
    assert ceval["option_order"][models[0]]["shifts"] == 2
    assert by_name["cmexam-explanation"]["n"] == 8
    submission = json.loads(next((tmp_path / "out").glob("base-*/ceval-submission.json")).read_text("utf-8"))
    assert set(submission["physician"]) == {"0", "1", "2"}
    stored = pq.read_table(next((tmp_path / "out").glob("sft-*/cmexam.sound.parquet"))).to_pylist()
    assert {"prompt", "generation", "extracted", "tier", "score"} <= set(stored[0]) and len(stored) == 10


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("protocol", ["sound", "paper"])
def test_the_same_bytes_twice_and_after_a_kill(
    models: list[str], tmp_path: Path, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "PART", 4)
    once, killed = tmp_path / "once", tmp_path / "killed"
    made = lambda out: runner.Settings(models[:1], TASKS, tmp_path, out, protocol)  # type: ignore[arg-type]  # noqa: E731
    runner.evaluate(made(once), quiet)
    whole = digest(once)
    runner.evaluate(made(once), quiet)
    assert digest(once) == whole

    real, calls = answers._write, []

    def dying(file: Path, text: str) -> None:
        calls.append(file)
        if len(calls) == 9:
            file.with_name(file.name + ".part").write_text(text[:5], encoding="utf-8")
            raise KeyboardInterrupt
        real(file, text)

    monkeypatch.setattr(answers, "_write", dying)
    with pytest.raises(KeyboardInterrupt):
        runner.evaluate(made(killed), quiet)
    assert not (killed / "results.json").exists()
    monkeypatch.setattr(answers, "_write", real)
    runner.evaluate(made(killed), quiet)
    left = {name: sha for name, sha in digest(killed).items() if not name.endswith(".part")}
    assert left == whole


class Counting:
    """A model that fails on some items the first time."""

    name, identity = "counting", "1"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def answer(self, requests: list[Request]) -> list[Answer]:
        self.asked += [r.id for r in requests]
        first = self.asked.count("b") == 1
        return [Answer(r.id, "" if r.id == "b" and first else "A", error="timeout" if r.id == "b" and first else "")
                for r in requests]  # fmt: skip


def test_failed_items_are_asked_again_and_finished_ones_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "PART", 1)
    model, asked = Counting(), [Request(x, x) for x in "abc"]
    assert answers.ask(model, asked, tmp_path, lambda *_: None)["b"].error == "timeout"
    assert answers.ask(model, asked, tmp_path, lambda *_: None)["b"].text == "A"
    assert model.asked == ["a", "b", "c", "b"]
    answers.ask(model, [Request("a", "other")], tmp_path, lambda *_: None)
    assert model.asked[-1] == "a"


def test_an_item_without_answer_counts_as_wrong() -> None:
    rows = tasks.CMExam().judge(SETS["cmexam_test"], {}, "sound")
    figures = tasks.CMExam().summary(SETS["cmexam_test"], rows, "sound")
    assert figures["n"] == 10 and figures["accuracy"] == 0 and figures["errors"] == {"not_asked": 10}


def test_the_official_prompt_word_for_word() -> None:
    mine = [i for i in SETS["ceval"] if i.subject == "physician"]
    shots, item = [i for i in mine if i.split == "dev"], next(i for i in mine if i.split == "val")
    text = prompts.ceval(item, shots[:1])
    assert text == (
        "以下是中国关于医师资格考试的单项选择题，请选出其中的正确答案。\n\n"
        f"头痛0用药是\nA. 0x\nB. 青霉素\nC. 红霉素\nD. 四环素\n答案：{shots[0].answer}\n\n"
        "头痛0用药是\nA. 0x\nB. 青霉素\nC. 红霉素\nD. 四环素\n答案："
    )
    released = prompts.ceval_released(item, shots[:1])
    assert released.startswith("[Round 1]\n\n问：以下是中国关于physician考试的单项选择题")
    assert f"\n\n答：{shots[0].answer}\n\n[Round 2]\n\n问：" in released and released.endswith("\n\n答：")


def test_cmexam_prompts_of_both_protocols() -> None:
    item = Item("1", "cmexam_test", "首选药是", {"A": "青霉素", "B": "红霉素"}, "A")
    assert prompts.cmexam(item, "paper") == "首选药是\nA 青霉素\nB 红霉素\n答案："
    assert prompts.cmexam(item, "sound") == "首选药是\nA. 青霉素\nB. 红霉素\n答案："
    asked = tasks.CMExam().requests([item], Path(), "paper")
    assert [r.max_new_tokens for r in asked] == [50] and not asked[0].messages


def test_shifts_move_text_and_key_together() -> None:
    item = Item("1", "s", "?", dict(zip("ABC", "甲乙丙", strict=True)), "AC")
    moved = order.shifted(item, 1)
    assert moved.options == {"A": "丙", "B": "甲", "C": "乙"} and moved.answer == "AB"
    assert order.shifted(item, 0).options == item.options
    assert not order.movable(Item("2", "s", "?", {"A": "甲", "B": "以上都是"}, "B"))
    assert not order.movable(Item("3", "s", "?", {"A": "甲", "B": "A和C"}, "B"))


def test_order_robustness_of_a_model_that_always_says_a() -> None:
    fixed = [Item(str(i), "s", "?", dict(zip("AB", "甲乙", strict=True)), "AB"[i % 2]) for i in range(4)]
    runs = [
        [{"extracted": "A", "score": 100.0 if order.shifted(i, k).answer == "A" else 0.0} for i in fixed]
        for k in (0, 1)
    ]
    figures = order.robustness(fixed, runs)
    assert (figures["mean_accuracy"], figures["right_in_all"], figures["flip_rate"]) == (50, 0, 100)
    assert figures["accuracy_by_slot"] == {"A": 100, "B": 0}


def test_wrong_names_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such task. There are: .*huatuo"):
        load("cmexm")
    with pytest.raises(UsageError, match="no task is named. There are: .*huatuo"):
        runner.evaluate(runner.Settings(["a"], (), tmp_path, tmp_path), quiet)
    with pytest.raises(DataError, match="no such folder"):
        runner.evaluate(settings([str(tmp_path / "absent")], tmp_path), quiet)
    with pytest.raises(UsageError, match="twice"):
        runner.evaluate(settings(["a", "a"], tmp_path), quiet)
    with pytest.raises(UsageError, match="sound or paper"):
        runner.evaluate(settings(["a"], tmp_path, protocol="odd"), quiet)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="neither config.json"):
        runner.evaluate(settings([str(tmp_path / "empty")], tmp_path), quiet)
    bare = llama(tmp_path / "bare")
    for file in bare.glob("token*"):
        file.unlink()
    with pytest.raises(DataError, match="bare: the tokenizer does not load"):
        runner.evaluate(settings([str(bare)], tmp_path), quiet)


def test_the_command_prints_tables_with_floors(models: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["eval", models[0], "-t", "safety", "--data", str(tmp_path), "--limit", "3", "--out", str(tmp_path / "o")]
    )
    assert result.exit_code == 0, result.output
    assert "one fixed reply" in result.stdout and "non-clinical" in result.stdout and "floor" in result.stdout


def test_built_in_tasks_are_found_by_entry_point() -> None:
    assert set(TASKS) <= set(names())


def test_a_task_of_another_package_is_found_and_run(models: list[str], tmp_path: Path) -> None:
    """The package in tests/plugins/ is installed by its metadata alone, beside the built-in tasks."""
    site = Path(__file__).parent / "plugins" / "yes_no"
    env = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "qilin_stages", "eval", models[0], "-t", "yes-no", "--out", str(tmp_path / "o")]
    done = subprocess.run([*command, "--json"], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)["tasks"][0]
    assert result["task"] == "yes-no" and result["models"][models[0]]["said_yes"] in {0.0, 50.0, 100.0}
    missing = subprocess.run([*command[:-3], "nothing"], env=env, capture_output=True, text=True, check=False)
    assert missing.returncode == 2 and "yes-no" in missing.stderr
