"""Rows become staged texts: the same texts, in the same order, and half a character loses its row alone."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chimed import staging
from chimed.build.stage import stage_source
from chimed.source import load

WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30).filter(str.strip)
ROWS = st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=12)


def staged(folder: Path, lines: list[str], limit: int | None = None) -> pa.RecordBatch:
    source = load("belle_train_2m")
    file = folder / "train_2M_CN.json"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    out = folder / "out"
    for part in staging.parts_in(out):
        part.unlink()
    (out / "done").unlink(missing_ok=True)
    stage_source(source, "sft", folder, [file.name], out, limit)
    return staging.read_part(staging.parts_in(out)[0])


def line(question: str, answer: str) -> str:
    return json.dumps({"instruction": question, "input": "", "output": answer})


@given(ROWS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_texts_come_out_as_they_went_in(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    batch = staged(tmp_path, [line(*row) for row in rows])
    batch.validate(full=True)
    assert batch.column("texts").to_pylist() == [[text.strip() for text in row] for row in rows]
    assert batch.column("reason").null_count == len(rows)


def test_half_a_character_loses_its_row_and_no_other(tmp_path: Path) -> None:
    lines = [line("头痛怎么办", "多休息"), line("发热", "\ud83d"), line("一次吃多少", "每次0.3g")]
    batch = staged(tmp_path, lines)
    assert batch.column("reason").to_pylist() == [None, "bad_json", None]
    assert batch.column("texts").to_pylist()[2] == ["一次吃多少", "每次0.3g"]


@pytest.mark.parametrize("limit", [1, 2])
def test_a_limit_counts_rows(tmp_path: Path, limit: int) -> None:
    assert staged(tmp_path, [line("问", "答"), line("又问", "又答"), line("再问", "再答")], limit).num_rows == limit


def test_parts_that_are_there_are_not_written_again(tmp_path: Path) -> None:
    staged(tmp_path, [line("问", "答")])
    out = tmp_path / "out"
    part = staging.parts_in(out)[0]
    before = part.stat().st_mtime_ns
    (out / "done").unlink()
    stage_source(load("belle_train_2m"), "sft", tmp_path, ["train_2M_CN.json"], out, None)
    assert part.stat().st_mtime_ns == before
    assert (out / "done").read_text(encoding="utf-8") == "1"
