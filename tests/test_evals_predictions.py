"""`qilin-stage score`: the JSON contract, faults counted and shown, nothing dropped, torch not loaded."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qilin_stages.cli import app

OPTIONS = {"A": "青霉素", "B": "红霉素", "C": "四环素", "D": "庆大霉素"}
runner = CliRunner()


def lines(path: Path, rows: list[object]) -> Path:
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r, ensure_ascii=False) for r in rows), "utf-8")
    return path


def run(path: Path, kind: str, *more: str) -> dict[str, object]:
    result = runner.invoke(app, ["score", str(path), "-t", kind, "--json", *more])
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


@pytest.mark.parametrize("protocol", ["sound", "paper"])
def test_text_json_has_the_contract_shape(tmp_path: Path, protocol: str) -> None:
    rows = [
        {"id": "a", "prediction": "多喝水", "reference": "多喝水"},
        {"id": 2, "prediction": "", "reference": "休息"},
    ]
    result = run(lines(tmp_path / "p.jsonl", rows), "text", "--protocol", protocol)
    assert {"bleu1", "bleu4", "rouge1", "rouge2", "rougeL", "n", "signature", "items"} <= set(result)
    assert result["n"] == 2 and result["rougeL"] == 50
    assert [item["id"] for item in result["items"]] == ["a", "2"]  # type: ignore[attr-defined]


def test_choice_json_has_the_contract_shape(tmp_path: Path) -> None:
    rows = [
        {"id": "1", "generation": "答案是DB", "options": OPTIONS, "answer": "BD"},
        {"id": "2", "generation": "抱歉", "options": OPTIONS, "answer": "A"},
        {"id": "3", "generation": "先选A，不对，所以选C", "options": OPTIONS, "answer": "C", "style": "cot"},
    ]
    result = run(lines(tmp_path / "p.jsonl", rows), "choice")
    assert result["n"] == 3
    assert (round(result["accuracy"], 2), round(result["answered"], 2)) == (66.67, 66.67)  # type: ignore[call-overload]
    assert result["items"] == [
        {"id": "1", "extracted": "BD", "tier": "1", "correct": True},
        {"id": "2", "extracted": None, "tier": "none", "correct": False},
        {"id": "3", "extracted": "C", "tier": "2", "correct": True},
    ]


FAULTS: list[object] = [
    "{broken", "[1]", "null", {"id": "x"}, {"id": "y", "generation": 5, "options": [1], "answer": 7, "style": "?"},
    {"generation": "A", "options": OPTIONS, "answer": "A"}, {"id": "z", "generation": "E", "options": OPTIONS, "answer": "E"},
    {"id": "z", "prediction": ["a"], "reference": None}, "", '{"id": "s", "prediction": "\\ud800", "reference": "\\ud800"}',
]  # fmt: skip


@pytest.mark.parametrize("kind", ["text", "choice"])
@pytest.mark.parametrize("protocol", ["sound", "paper"])
def test_faulty_rows_stay_in_the_denominator_and_are_named(tmp_path: Path, kind: str, protocol: str) -> None:
    result = run(lines(tmp_path / "p.jsonl", FAULTS), kind, "--protocol", protocol)
    assert result["n"] == len(result["items"]) == 9  # type: ignore[arg-type]
    assert result["problems"]["bad_json"] == 1  # type: ignore[index]
    assert result["problems"]["no_object"] == 2  # type: ignore[index]
    assert result["problems"]["repeated_id"] == 1  # type: ignore[index]
    if kind == "choice":
        assert result["problems"]["no_answer_key"] >= 4  # type: ignore[index]
        assert result["problems"]["answer_not_in_options"] == 1  # type: ignore[index]
    bad = [item for item in result["items"] if "bad_json" in item.get("problems", [])]  # type: ignore[attr-defined]
    assert not any(bad[0].get(name) for name in ("rouge1", "rougeL", "correct"))


def test_the_table_shows_faults(tmp_path: Path) -> None:
    result = runner.invoke(app, ["score", str(lines(tmp_path / "p.jsonl", FAULTS)), "-t", "choice"])
    assert result.exit_code == 0 and "bad_json" in result.stdout and "accuracy" in result.stdout


@pytest.mark.parametrize("content", [None, "", "\n\n"])
def test_no_rows_is_a_data_error(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "p.jsonl"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "qilin_stages", "score", str(path), "-t", "text"], capture_output=True, text=True
    )
    assert done.returncode == 6 and done.stderr.startswith("error: ") and "Traceback" not in done.stderr


def test_the_same_bytes_twice_and_no_torch(tmp_path: Path) -> None:
    path = lines(tmp_path / "p.jsonl", [{"id": "a", "prediction": "多喝水", "reference": "多喝热水"}])
    code = (
        "import sys\nfrom qilin_stages.evals.predictions import score_file\nfrom pathlib import Path\nimport json\n"
        f"print(json.dumps(score_file(Path({str(path)!r}), 'text', 'sound')))\nassert 'torch' not in sys.modules"
    )
    outs = [subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(2)]
    assert outs[0] == outs[1]
