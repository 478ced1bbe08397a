"""The report of a chain: curves, Tables 4-6 beside the paper's, nothing fetched, nothing unescaped."""

import json
import re
from pathlib import Path

import pytest

from chimed.errors import DataError
from qilin_stages.evals import published
from qilin_stages.report import write_report


def run(folder: Path, lines: list[object]) -> Path:
    folder.mkdir()
    (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)) + '\n{"step": 3, "lo', encoding="utf-8")
    return folder


def evaluation(folder: Path) -> Path:
    folder.mkdir()
    row = {"bleu1": 12.5, "bleu1_ci": [11, 14], "bleu4": 1.0, "rouge1": 20.0, "rouge2": 5.0, "rougeL": 10.0, "n": 9,
           "length_ratio": 0.9, "signature": "tok:char"}  # fmt: skip
    test = {"from": "a", "to": "<b>", "metric": "bleu1", "difference": 1.0, "ci": [0.1, 2], "p": 0.01, "p_holm": 0.05,
            "test": "paired bootstrap", "n": 9}  # fmt: skip
    task = {"task": "huatuo", "n": 9, "models": {"<b>": row}, "floors": {"one fixed reply": row},
            "paper": published.rows("huatuo", "paper"), "comparisons": [test]}  # fmt: skip
    exam = {"task": "ceval", "n": 2, "models": {"<b>": {"macro": 50.0, "accuracy": 50.0, "n": 2,
            "subjects": {"physician": {"accuracy": 50.0, "n": 2}}}}, "floors": {},
            "paper": published.rows("ceval", "sound"), "comparisons": []}  # fmt: skip
    (folder / "results.json").write_text(json.dumps({"protocol": "paper", "tasks": [task, exam]}), encoding="utf-8")
    return folder


def test_curves_and_tables_in_one_file(tmp_path: Path) -> None:
    cpt = run(
        tmp_path / "cpt<x>", [{"step": 1, "loss": 4.0}, {"step": 2, "loss": 3.0, "eval_loss": 3.5}, "x", {"a": 1}]
    )
    text = write_report([cpt, evaluation(tmp_path / "e")], tmp_path / "r.html").read_text(encoding="utf-8")
    assert text.count("<svg") == 2 and "<polyline" in text
    assert "12.50 [11.0, 14.0]" in text and "16.66" in text and "Table 6" in text and "Not comparable" in text
    assert "42.80" in text and "physician" in text and "Holm 0.05" in text and "one fixed reply" in text
    assert "<b>" not in text and "cpt&lt;x&gt;" in text
    assert not re.search(r"(?:src|href)\s*=|https?://", text)


def test_a_run_without_an_evaluation_shows_the_paper_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = write_report([run(tmp_path / "sft", [{"step": 1, "loss": 1.0}])], tmp_path / "r.html").read_text("utf-8")
    assert "No evaluation of these runs was found" in text and "40.00" in text
    evaluation(tmp_path / "evaluation")
    text = write_report([tmp_path / "sft"], tmp_path / "r.html").read_text(encoding="utf-8")
    assert "12.50" in text


def test_an_empty_folder_and_a_broken_result_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="neither metrics.jsonl"):
        write_report([tmp_path], tmp_path / "r.html")
    (tmp_path / "results.json").write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match="not the results"):
        write_report([tmp_path], tmp_path / "r.html")
