"""A user's own files by a `[[source]]` table: every format and kind, and every wrong key named."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chimed.errors import UsageError
from chimed.source import BadRow, Row, Skip
from chimed.sources.own_files import from_table

BASE = {
    "name": "mine", "files": ["notes/*"], "format": "jsonl", "kind": "question",
    "columns": {"question": "ask", "answer": "reply"}, "license": "CC-BY-4.0", "redistributable": "yes",
    "splits": ["cpt"], "domain": "medical",
}  # fmt: skip
ROWS = [{"ask": "问一", "reply": "每日 0.5 mg", "n": 1}, {"ask": "", "reply": "无问"}, {"ask": "问三", "reply": None}]


def write(folder: Path, form: str) -> None:
    (folder / "notes").mkdir()
    path = folder / "notes/file"
    if form == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in ROWS), encoding="utf-8")
    elif form == "json":
        path.write_text(json.dumps(ROWS, indent=2), encoding="utf-8")
    elif form == "csv":
        path.write_bytes(
            ("ask,reply\n" + "".join(f"{row['ask']},{row['reply'] or ''}\n" for row in ROWS)).encode("gb18030")
        )
    else:
        pq.write_table(pa.Table.from_pylist(ROWS), path)


def outcomes(folder: Path, table: dict[str, Any]) -> list[Any]:
    source = from_table(table)
    place = source.place(folder)
    files = source.files(place)
    assert files and source.reader.faults(place, files, folder) == []
    found: list[Any] = []
    for row in source.reader.read(place, files):
        assert isinstance(row, Row)
        assert source.reader.raw(place, row.file, row.position)
        try:
            found.append(source.parse(row))
        except Skip as skip:
            found.append(skip.reason)
    return found


@pytest.mark.parametrize("form", ["jsonl", "json", "csv", "parquet"])
def test_every_format_gives_the_same_records(form: str, tmp_path: Path) -> None:
    write(tmp_path, form)
    record, second, third = outcomes(tmp_path, {**BASE, "format": form})
    assert (record.kind, record.question, record.answer) == ("question", "问一", "每日 0.5 mg")
    assert (second, third) == ("empty_question", "empty_answer")


@pytest.mark.parametrize(
    ("kind", "columns", "row", "wanted"),
    [
        ("passage", {"text": "t", "title": "h"}, {"t": " 文 ", "h": "书"}, {"text": "文", "title": "书"}),
        (
            "choice", {"stem": "s", "options": "o", "answer": "a"}, {"s": "题", "o": {"A": "甲", "B": "乙"}, "a": "AB"},
            {"stem": "题", "answer": "AB"},
        ),
        ("entity", {"name": "n", "症状": "s", "药": "d"}, {"n": "病", "s": ["痛", "热"], "d": "A药"}, {"name": "病"}),
        (
            "dialogue", {"question": "q", "answer": "a", "history": "h"}, {"q": "二", "a": "答", "h": [["一", "应"]]},
            {"kind": "dialogue"},
        ),
        (
            "instruction", {"messages": "m"},
            {"m": [{"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}]}, {"kind": "instruction"},
        ),
        (
            "instruction", {"instruction": "q", "output": "a", "input": "i"}, {"q": "译", "i": "文", "a": "text"},
            {"kind": "instruction"},
        ),
        (
            "preference", {"question": "q", "chosen": "c", "rejected": "r", "system": "s"},
            {"q": "问", "c": "好", "r": "差", "s": "你是医生"}, {"chosen": "好", "rejected": "差"},
        ),
    ],
)  # fmt: skip
def test_every_kind(
    kind: str, columns: dict[str, str], row: dict[str, Any], wanted: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/file").write_text(json.dumps([row]), encoding="utf-8")
    split = {
        "passage": "cpt",
        "entity": "cpt",
        "choice": "cpt",
        "dialogue": "sft",
        "instruction": "sft",
        "preference": "dpo",
    }[kind]
    (record,) = outcomes(tmp_path, {**BASE, "kind": kind, "columns": columns, "splits": [split], "format": "json"})
    assert wanted.items() <= record.model_dump().items()
    if kind == "entity":
        assert [(relation.name, relation.values) for relation in record.relations] == [
            ("症状", ("痛", "热")),
            ("药", ("A药",)),
        ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kinds": "question"}, "did you mean 'kind'"),
        ({"format": "xml"}, "format"),
        ({"license": None}, "license"),
        ({"splits": ["dpo"]}, "kind question serves cpt, sft, not dpo"),
        ({"splits": ["test"]}, "splits.0"),
        ({"columns": {"question": "ask"}}, "must name answer, question"),
        ({"columns": {"question": "a", "answer": "b", "quest": "c"}}, "did you mean 'question'"),
        ({"name": "No Name"}, "name"),
        ({"files": []}, "files"),
    ],
)
def test_a_wrong_key_is_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        from_table({**BASE, **change})


def test_a_missing_column_and_a_broken_parquet_are_faults_of_the_file(tmp_path: Path) -> None:
    write(tmp_path, "parquet")
    path = tmp_path / "notes/file"
    source = from_table({**BASE, "format": "parquet", "columns": {"question": "ask", "answer": "none"}})
    assert "no column none" in source.reader.faults(tmp_path, ["notes/file"])[0]
    data = path.read_bytes()
    path.write_bytes(data[:60])
    assert (
        "not a sound Parquet file"
        in from_table({**BASE, "format": "parquet"}).reader.faults(tmp_path, ["notes/file"])[0]
    )


def test_files_outside_are_not_reached(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text('[{"ask": "a", "reply": "b"}]', encoding="utf-8")
    (tmp_path / "from").mkdir()
    source = from_table({**BASE, "files": ["../*.json", str(tmp_path / "secret.json")]})
    files = source.files(source.place(tmp_path / "from"))
    assert len(source.reader.faults(tmp_path / "from", files, tmp_path / "from")) == len(files) == 2


def test_a_broken_row_is_a_loss(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/file").write_bytes(b'{"ask": "a", "reply": "b"}\n{"ask": 3, "reply": "b"}\n[1]\n{"ask"')
    source = from_table(BASE)
    found = list(source.reader.read(tmp_path, ["notes/file"]))
    assert isinstance(found[3], BadRow)
    for row in found[1:3]:
        with pytest.raises(Skip, match="wrong_shape"):
            source.parse(row)  # type: ignore[arg-type]


def test_everything_that_is_wrong_with_a_table_is_said_at_once() -> None:
    table = {"name": "notes", "files": ["a.jsonl"], "format": "jsonl", "kind": "passage", "splits": "cpt", "colums": {}}
    with pytest.raises(UsageError) as error:
        from_table(table)
    words = str(error.value)
    assert "columns, license, redistributable, domain missing" in words
    assert 'splits: should be a list, such as ["cpt"]' in words
    assert "did you mean 'columns'" in words
