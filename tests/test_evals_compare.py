"""Answers side by side: HTML and Markdown, escaped, with scores where there is a reference."""

import json
from pathlib import Path

import pytest
import torch
from evals_models import llama
from typer.testing import CliRunner

from qilin_stages.cli import app
from qilin_stages.evals import compare
from qilin_stages.evals.task import Answer, Request

EVIL = '<script>alert("x")</script> | **b** [a](http://x)\n第二行'


class Says:
    identity = "1"

    def __init__(self, name: str, cache: Path) -> None:
        self.name = name

    def answer(self, requests: list[Request]) -> list[Answer]:
        return [Answer(r.id, EVIL if self.name == "one" else "", error="timeout" if self.name == "two" else "")
                for r in requests]  # fmt: skip


@pytest.mark.parametrize("suffix", ["html", "md"])
def test_answers_are_escaped_and_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    monkeypatch.setattr(compare, "open_model", Says)
    prompts = tmp_path / "p.jsonl"
    rows = [{"prompt": f"头痛{EVIL}", "reference": "多休息"}, {"prompt": "发热", "id": "x"}]
    prompts.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    out = tmp_path / f"a.{suffix}"
    made = compare.compare(["one", "two"], prompts, out, lambda *_: None)
    text = out.read_text(encoding="utf-8")
    assert "<script>" not in text and "&lt;script&gt;" in text and "no answer: timeout" in text.replace("\\", "")
    assert "rougeL" in text and set(made[0].scores) == {"one", "two"} and not made[1].scores
    if suffix == "md":
        assert "\\[a\\]" in text and all(
            line.count(" | ") == 2 for line in text.splitlines() if line.startswith("| one")
        )


@pytest.mark.parametrize(
    ("content", "words"), [("", "no prompt"), ("{x", "not JSON"), ('{"prompt": 3}', "text `prompt`")]
)
def test_bad_prompt_files(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "p.jsonl"
    file.write_text(content, encoding="utf-8")
    result = CliRunner().invoke(app, ["compare", "x", "-p", str(file), "--out", str(tmp_path / "a.html")])
    assert result.exit_code == 1 and words in str(result.exception)


def test_the_command_runs_on_a_real_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    prompts = tmp_path / "p.txt"
    prompts.write_text("头痛\n\n发热\n", encoding="utf-8")
    model = llama(tmp_path / "m")
    made = Request.__init__
    monkeypatch.setattr(Request, "__init__", lambda self, *a, **k: made(self, *a, **{**k, "max_new_tokens": 3}))
    outs = []
    for _ in range(2):
        result = CliRunner().invoke(app, ["compare", str(model), "-p", str(prompts), "--out", str(tmp_path / "a.html")])
        assert result.exit_code == 0 and "2 prompts, 1 models" in result.stdout
        outs.append((tmp_path / "a.html").read_bytes())
    assert outs[0] == outs[1]
