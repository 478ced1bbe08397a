"""The qilin-stage command as a user meets it: one line and the contract's exit code for every fault, no traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from running import train
from small_releases import make_release, rows
from typer.testing import CliRunner

from qilin_stages.cli import app, main

VERBS = ("list", "tiny", "plan", "preview", "run", "merge", "push", "chat", "convert-baichuan")


def ask(*words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["qilin-stage", *map(str, words)])
    code = 0
    try:
        main()
    except SystemExit as end:
        code = int(end.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str) -> None:
    done = CliRunner().invoke(app, [verb, "--help"])
    assert done.exit_code == 0 and len(done.stdout) > 200


def test_faults_are_one_line_with_the_exit_code_of_the_contract(
    releases: dict[str, Path], tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis").touch()
    sft, cpt = releases["sft"], releases["cpt"]
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    cases = [
        (2, "no stage 'sftt'", ["run", "sftt"]),
        (2, "did you mean 'train.learning_rate'", ["run", "sft", "-r", "tiny", "train.lerning_rate=1"]),
        (2, "no model to start from", ["run", "sft", "--data", sft, "--out", tmp_path / "a"]),
        (2, "one process", ["run", "sft", "--data", sft, "--model", tiny, "--out", tmp_path / "a", "train.deepspeed=zero2"]),
        (6, "this stage reads sft", ["run", "sft", "--data", cpt, "--model", tiny, "--out", tmp_path / "a"]),
        (6, "no such folder", ["run", "sft", "--data", tmp_path / "none", "--model", tiny, "--out", tmp_path / "a"]),
        (6, "no such folder", ["run", "sft", "--data", sft, "--model", tmp_path / "none", "--out", tmp_path / "a"]),
        (4, "holds thesis", ["run", "sft", "--data", sft, "--model", tiny, "--out", tmp_path / "full"]),
        (2, "cosin is not a valid", ["run", "sft", "--data", sft, "--model", tiny, "--out", tmp_path / "b",
                                     "train.lr_scheduler_type=cosin"]),
        (5, "org/x@main: not on this machine", ["plan", "sft", "--data", sft, "--model", "org/x@main"]),
        (5, "org/x@main: not on this machine", ["plan", "sft", "--data", "org/x@main", "--model", tiny]),
        (6, "all rows are held out", ["run", "dpo", "--data", releases["dpo"], "--model", tiny, "--out", tmp_path / "c",
                                      "held_out=0.999999"]),
        (2, "reads 4096. Lower block_size", ["run", "cpt", "--data", long_texts(tmp_path), "--model", tiny, "--out",
                                             tmp_path / "d", "block_size=5000"]),
        (6, "merge takes a finished run", ["merge", tiny, "--out", tmp_path / "m"]),
        (6, "push takes a finished run", ["push", tiny, "--repo", "a/b"]),
        (6, "not baichuan", ["convert-baichuan", tiny, tmp_path / "b"]),
        (4, "holds a model already", ["tiny", tiny, "--data", sft]),
    ]  # fmt: skip
    for code, words, command in cases:
        got, out, err = ask(*command, capsys=capsys, monkeypatch=monkeypatch)
        last = err.strip().splitlines()[-1]
        assert (got, out) == (code, "") and last.startswith("error: ") and words in last, (command, err)
        assert "Traceback" not in err
    assert not (tmp_path / "a").exists()


def long_texts(folder: Path) -> Path:
    """A release of one document that no model here can read."""
    return make_release(folder, "cpt", [{**rows("cpt", 1)[0], "text": "咳" * 6000}])


def test_preview_marks_what_is_learnt_and_says_what_was_cut(
    releases: dict[str, Path], tiny: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["preview", "sft", "--data", releases["sft"], "--model", tiny, "-n", "2", "max_target_length=12"]
    code, out, _ = ask(*words, capsys=capsys, monkeypatch=monkeypatch)
    assert code == 0 and out.count("--- cmd:sft") == 2 and "12 learnt" in out
    assert "<|im_start|>user\n医生" in out and "⟦您好" in out and "<|im_end|>⟧" in out and "cut away" in out
    _, out, _ = ask("preview", "dpo", "--data", releases["dpo"], "--model", tiny, "-n", "1", capsys=capsys,
                    monkeypatch=monkeypatch)  # fmt: skip
    assert "chosen: ⟦" in out and "rejected: ⟦不知道" in out


def test_run_says_where_and_chat_answers(releases: dict[str, Path], tiny: Path, tmp_path: Path,
                                         capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    out = tmp_path / "sft-run"
    code, said, _ = ask("run", "sft", "-r", "tiny", "--data", releases["sft"], "--model", tiny, "--out", out,
                        "train.max_steps=2", capsys=capsys, monkeypatch=monkeypatch)  # fmt: skip
    assert (code, said.strip()) == (0, str(out))
    command = [sys.executable, "-m", "qilin_stages", "chat", str(out), "--tokens", "5"]
    done = subprocess.run(command, input="头晕\n\n发热\n", capture_output=True, text=True, env=os.environ, check=True)
    assert "不能代替医生" in done.stderr and "Traceback" not in done.stderr


def test_ctrl_c_says_how_to_go_on(releases: dict[str, Path], tiny: Path, tmp_path: Path,
                                  capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("qilin_stages.training.context.fit", stopped)
    words = ["run", "sft", "-r", "tiny", "--data", releases["sft"], "--model", tiny, "--out", tmp_path / "run"]
    code, _, err = ask(*words, capsys=capsys, monkeypatch=monkeypatch)
    assert code == 130 and "--resume goes on" in err and "Traceback" not in err
    assert json.loads((tmp_path / "run/run.json").read_text(encoding="utf-8"))["status"] == "interrupted"


def test_the_recipes_parent_is_found_beside_the_run(releases: dict[str, Path], tiny: Path, tmp_path: Path) -> None:
    from qilin_stages import lineage, recipe, stage
    from qilin_stages.training.context import execute

    train("cpt", releases["cpt"], tiny, tmp_path / "cpt-run")
    found = stage.get("sft")
    cfg = recipe.load("tiny", "sft", found.config, ["train.max_steps=2"])
    execute(found, cfg, str(releases["sft"]), None, tmp_path / "sft-run", resume=False)
    assert lineage.read(tmp_path / "sft-run")["parent"]["stage"] == "cpt"


def test_push_sends_card_and_weights_and_no_local_path(releases: dict[str, Path], tiny: Path, tmp_path: Path,
                                                       monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    from qilin_stages.training import publishing

    sent: dict[str, str] = {}

    def take(folder: Path, repo: str, **options: object) -> None:
        sent.update({path.name: path.read_bytes().decode(errors="replace") for path in folder.iterdir()})

    monkeypatch.setattr(publishing, "publish_folder", take)
    publishing.push(train("sft", releases["sft"], tiny, tmp_path / "run"), "org/model", dry_run=True)
    assert {"README.md", "config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"} <= set(sent)
    assert not any(str(tmp_path) in text for text in sent.values())


def test_list_as_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = ask("list", "--json", capsys=capsys, monkeypatch=monkeypatch)
    assert code == 0 and [(row["name"], row["consumes"]) for row in json.loads(out)][:3] == [
        ("cpt", "cpt"), ("sft", "sft"), ("dpo", "dpo")]  # fmt: skip
