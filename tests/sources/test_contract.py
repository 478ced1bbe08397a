"""One contract over all adapters: what a source says of itself, and that parsing is pure and needs no network."""

import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chimed.records import PARSE_REASONS, SPLITS, Record
from chimed.source import BadRow, Row, Skip, Source, discover, load, names
from tests.upstream import upstream

NAMES = names()
LICENSES = {"yes", "no", "notice", "GPL", "SA", "NC"}
NEVER_PUBLISHED = {
    "medqa_textbooks", "cpubmed_kg", "xywy_kg", "health39_kg", "meddialog_cn", "cmd", "chimed_release",
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a source must not use the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_all_sources_of_the_paper_are_there() -> None:
    paper = {split: 0 for split in SPLITS}
    for source in discover().values():
        for split in source.paper:
            paper[split] += 1
    assert len(NAMES) == 23
    assert paper == {"cpt": 10, "sft": 13, "dpo": 2}


@pytest.mark.parametrize("name", NAMES)
def test_what_a_source_says_of_itself(name: str) -> None:
    source = load(name)
    assert source.name == name
    assert source.home.startswith("https://") and source.license and source.attribution
    assert source.redistributable in LICENSES
    assert (source.redistributable == "no") == (name in NEVER_PUBLISHED)
    assert source.serves and source.serves <= set(SPLITS)
    assert set(source.paper) <= source.serves
    assert source.addresses or source.obtain, "a user must be told how to get the files"
    assert all(address.startswith(("https://", "hf://datasets/")) for address in source.addresses)
    assert source.redistributable != "notice" or source.notice


@pytest.mark.parametrize("name", NAMES)
def test_an_absent_source_has_no_files(name: str, tmp_path: Path) -> None:
    assert load(name).reader.find(tmp_path) == []
    assert load(name).reader.find(tmp_path / "absent") == []


@pytest.mark.parametrize("name", NAMES)
def test_variants_and_test_files_are_never_found(name: str, tmp_path: Path) -> None:
    for file in (
        "variants/train.csv",
        "test.csv",
        "data/test_with_annotations.csv",
        "test_datasets.jsonl",
        "test.json",
    ):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("x", encoding="utf-8")
    assert load(name).reader.find(tmp_path) == []


@pytest.mark.upstream
@pytest.mark.parametrize("name", [name for name in NAMES if name != "cmd"])
def test_rows_have_one_address_each_and_parse_the_same_twice(name: str) -> None:
    source = load(name)
    folder = source.place(upstream())
    rows = list(source.reader.read(folder, source.reader.find(folder)))
    assert len({(row.file, row.position) for row in rows}) == len(rows)
    assert all(row.position >= 1 and row.rows >= 1 for row in rows)
    assert rows == list(source.reader.read(folder, source.reader.find(folder)))
    for row in rows[:50]:
        assert outcome(source, row) == outcome(source, row)


def outcome(source: Source, row: Row | BadRow) -> Record | tuple[str, str]:
    """The record, or the reason and words of its loss."""
    if isinstance(row, BadRow):
        return row.reason, row.detail
    try:
        return source.parse(row)
    except Skip as skip:
        return skip.reason, skip.detail


SCALARS = st.sampled_from([None, True, 7, 1.5, "", " ", "甲", "病人：甲", "Human:一", "nan", "\x00"])
JSON = SCALARS | st.lists(SCALARS, max_size=3)
FIELDS = """
    questions answers text Question Options Answer Explanation 选项 答案 prompt response name question answer ask title
    department conversations messages from value role content history instruct instruction input output target source
    human_answers chatgpt_answers response_chosen response_rejected chosen rejected system Dialogue Turn Id rank1 rank2
    query instruction_zh output_zh _id symptom key id type
""".split()
OBJECTS = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=3)
ROWS = st.dictionaries(st.sampled_from(FIELDS), JSON | OBJECTS | st.lists(OBJECTS, max_size=2), max_size=8)
WITH_HEADERS = {"cpubmed_kg", "health39_kg", "chinese_medical_dialogue", "medqa_textbooks"}
OF_JSON = [load(name) for name in NAMES if name not in WITH_HEADERS]


@settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(value=ROWS | JSON)
def test_a_row_of_any_shape_is_a_record_or_a_named_loss(value: Any) -> None:
    for source in OF_JSON:
        result = outcome(source, Row("sft.jsonl", 1, value))
        assert isinstance(result, Record) or result[0] in PARSE_REASONS, source.name
        again = source.with_options({name: values[-1] for name, values in source.options.items()})
        divide = getattr(again.reader, "divide", lambda whole: [whole])
        for part in divide(value):
            assert isinstance(outcome(again, Row("sft.jsonl", 1, part)), Record | tuple)
