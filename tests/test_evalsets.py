"""Evaluation files in every layout; they are read whole or refused, and no source ever reads them."""

import json
import zipfile
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chimed.errors import DataError
from chimed.evalsets import EvalItem, read_items, sets_in, subject_names
from chimed.source import discover
from tests.upstream import upstream

PLACES = ["ceval/a.zip", "cmexam_test/test.csv", "huatuo26m_test/a.json", "mine/a.jsonl"]


def lay(folder: Path, file: str, text: str) -> None:
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")


def ceval(folder: Path, members: dict[str, str]) -> None:
    (folder / "ceval").mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "ceval/ceval-exam.zip", "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)


@pytest.mark.upstream
def test_the_real_sets_have_the_counted_rows() -> None:
    truth = json.loads((upstream() / "TRUTH.json").read_text(encoding="utf-8"))["files"]
    items = list(read_items(upstream() / "eval"))
    counts = Counter((item.set, item.split) for item in items)
    archive = truth["eval/ceval"]["eval/ceval/ceval-exam.zip"]
    assert {split: counts["ceval", split] for split in ("dev", "val", "test")} == archive["rows_by_split"]
    assert (
        counts["cmexam_test", "test"] == truth["eval/cmexam_test"]["eval/cmexam_test/test_with_annotations.csv"]["rows"]
    )
    assert (
        counts["huatuo26m_test", "test"]
        == truth["eval/huatuo26m_test"]["eval/huatuo26m_test/test_datasets.jsonl"]["rows"]
    )
    assert len({(item.set, item.id) for item in items}) == len(items)
    ceval_items = [item for item in items if item.set == "ceval"]
    assert len({item.subject for item in ceval_items}) == archive["subjects"]
    numeric = sum(
        option.removeprefix("-").replace(".", "", 1).isdigit() for item in ceval_items for _, option in item.options
    )
    assert numeric >= archive["purely_numeric_options"]
    assert all((item.answer is None) == (item.split == "test") for item in ceval_items)
    assert len(subject_names(upstream() / "eval/ceval")) == 52


@pytest.mark.upstream
@pytest.mark.parametrize(
    ("name", "variant", "rows"),
    [
        ("cmexam_test", "eval/cmexam_test/variants/single_choice_alpaca/test.json", 3228),
        ("cmexam_test", "eval/cmexam_test/variants/xlsx/test_10.xlsx", 9),
        ("cmexam_test", "_made/cmexam_test/annotated_csv.layout_sample/test_with_annotations.csv", 199),
        ("huatuo26m_test", "eval/huatuo26m_test/variants/zhongjing_array/huatuo26M_test.json", 2974),
    ],
)
def test_other_layouts_of_the_same_sets(name: str, variant: str, rows: int, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / Path(variant).name).write_bytes((upstream() / variant).read_bytes())
    items = list(read_items(tmp_path))
    assert len(items) == rows
    assert all(item.kind == ("free" if name == "huatuo26m_test" else "choice") and item.stem for item in items)
    assert all(item.answer for item in items if item.kind == "choice")


@pytest.mark.upstream
def test_both_copies_of_huatuo_hold_the_same_questions(tmp_path: Path) -> None:
    copy = upstream() / "eval/huatuo26m_test/variants/zhongjing_array/huatuo26M_test.json"
    (tmp_path / "huatuo26m_test").mkdir()
    (tmp_path / "huatuo26m_test" / copy.name).write_bytes(copy.read_bytes())
    assert list(read_items(tmp_path)) == list(read_items(upstream() / "eval", "huatuo26m_test"))


def test_cmexam_keeps_letters_as_written_annotations_and_rows_without_a_key(tmp_path: Path) -> None:
    header = "\ufeffQuestion,Options,Answer,Explanation,Clinical Department\r\n"
    lay(tmp_path, "cmexam_test/test_with_annotations.csv", header +
        '题一,"A 甲\nB 乙 丙\nE 丁",AE,解析,内科\r\n题二,"A 甲\nB 乙",,,不符合')  # fmt: skip
    first, second = read_items(tmp_path)
    assert first == EvalItem(
        "cmexam_test", "1", "题一", "choice", (("A", "甲"), ("B", "乙 丙"), ("E", "丁")), "AE", "解析", "内科",
        annotations={"Clinical Department": "内科"},
    )  # fmt: skip
    assert (second.answer, second.reference) == (None, None)


def test_a_scored_file_of_cmexam_gives_its_questions(tmp_path: Path) -> None:
    lay(tmp_path, "cmexam_test/test.csv", "prompt_idx,prompt,completion,model_result,选项,答案,答案解析\n"
        '0,"问题: 题一, \n 选项: A 甲","答案: B",B,"A 甲\nB 乙",B,因为\n')  # fmt: skip
    (item,) = read_items(tmp_path)
    assert (item.stem, item.answer, item.reference) == ("题一", "B", "因为")


def test_ceval_is_read_out_of_its_archive_as_text(tmp_path: Path) -> None:
    ceval(tmp_path, {
        "dev/physician_dev.csv": "id,question,A,B,C,D,answer,explanation\r\n0,多少____,1.0,2,NA,04,C,因为\r\n",
        "test/physician_test.csv": 'id,question,A,B,C,D\n0,"两\n行",a,b,c,c\n',
        "val/notes.txt": "x",
    })  # fmt: skip
    lay(tmp_path, "ceval/subject_mapping.json", '{"physician": ["Physician", "医师资格", "Other"]}')
    dev, test = read_items(tmp_path, "ceval")
    assert dev.options == (("A", "1.0"), ("B", "2"), ("C", "NA"), ("D", "04"))
    assert (dev.id, dev.split, dev.answer, dev.reference) == ("dev/physician/0", "dev", "C", "因为")
    assert (test.stem, test.answer, test.annotations) == ("两\n行", None, {"subject": "医师资格"})
    assert sorted(path.name for path in (tmp_path / "ceval").iterdir()) == ["ceval-exam.zip", "subject_mapping.json"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(at=st.integers(0, 600), noise=st.binary(min_size=1, max_size=12))
def test_noise_in_an_archive_is_an_error_in_words_or_nothing(at: int, noise: bytes, tmp_path: Path) -> None:
    path = tmp_path / "ceval/ceval-exam.zip"
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("dev/physician_dev.csv", "id,question,A,B,C,D,answer,explanation\n0,问题,1,2,3,4,C,因为\n")
    sound = path.read_bytes()
    path.write_bytes(sound[: at % len(sound)] + noise + sound[at % len(sound) + len(noise) :])
    with suppress(DataError):
        list(read_items(tmp_path, "ceval"))


def test_ceval_without_ids_is_refused(tmp_path: Path) -> None:
    ceval(tmp_path, {"dev/physician_dev.csv": "question,A,B,C,D,answer\n问题,1,2,3,4,C\n"})
    with pytest.raises(DataError, match="row 1: id, question or options are missing"):
        list(read_items(tmp_path, "ceval"))


def test_a_users_own_set(tmp_path: Path) -> None:
    lay(tmp_path, "mine/items.jsonl", '{"id": 7, "question": "问", "answer": "答"}\n'
        '{"question": "选", "options": {"A": "甲", "B": "乙"}, "answer": "AB", "subject": "内科"}\n')  # fmt: skip
    free, choice = read_items(tmp_path)
    assert (free.set, free.id, free.kind, free.reference) == ("mine", "7", "free", "答")
    assert (choice.id, choice.kind, choice.answer, choice.subject) == ("items.jsonl:2", "choice", "AB", "内科")


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("mine/items.jsonl", '{"question": ""}\n', "row 1: empty_question"),
        ("mine/items.jsonl", '{"question": "a"}\n{"question": "b\n', "row 2: bad_json"),
        ("mine/items.jsonl", '{"question": "a", "options": {"A": "x"}, "answer": "B"}', "answer_not_in_options"),
        ("mine/items.jsonl", '{"question": "a", "options": [1]}', "wrong_shape"),
        ("mine/items.jsonl", '{"text": "a"}\n', "no known layout"),
        ("huatuo26m_test/test_datasets.jsonl", '{"questions": "a", "answers": ""}\n', "empty_answer"),
        ("cmexam_test/test.csv", "Question,Options,Answer\n,A 甲,A\n", "empty_question"),
        ("cmexam_test/test.csv", "a,b\n1,2\n", "no known layout"),
        ("cmexam_test/test.json", '[{"instruction": "", "input": "无", "output": "x"}]', "wrong_shape"),
        ("ceval/ceval-exam.zip", "not a zip", "damaged archive"),
        ("ceval/subject_mapping.json", "[1]", "subject mapping"),
    ],
)
def test_a_set_with_a_hole_is_refused_with_its_place(file: str, text: str, words: str, tmp_path: Path) -> None:
    if file == "ceval/subject_mapping.json":
        ceval(tmp_path, {})
    lay(tmp_path, file, text)
    with pytest.raises(DataError, match=words):
        list(read_items(tmp_path))


def test_ceval_members_with_holes_or_of_absurd_size_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ceval(tmp_path, {"dev/physician_dev.csv": "id,question,A,B,C,D\n0,问,a,b\n"})
    with pytest.raises(DataError, match="row 1: id, question or options are missing"):
        list(read_items(tmp_path))
    monkeypatch.setattr("chimed.evalsets._MAX_MEMBER", 10)
    with pytest.raises(DataError, match="no file of C-Eval"):
        list(read_items(tmp_path))


def test_absent_sets_and_folders(tmp_path: Path) -> None:
    assert sets_in(tmp_path) == sets_in(tmp_path / "absent") == list(read_items(tmp_path)) == []
    with pytest.raises(DataError, match="no files of the evaluation set ceval"):
        list(read_items(tmp_path, "ceval"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=80), name=st.sampled_from(PLACES))
def test_any_bytes_give_items_or_words(data: bytes, name: str, tmp_path: Path) -> None:
    for old in tmp_path.rglob("*.*"):
        old.unlink()
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(data)
    try:
        list(read_items(tmp_path))
    except DataError as error:
        assert str(error)


@pytest.mark.upstream
def test_no_source_reads_an_evaluation_file(tmp_path: Path) -> None:
    for path in (upstream() / "eval").rglob("*.*"):
        for source in discover().values():
            assert source.reader.find(path.parent) == [] or path.name != source.reader.find(path.parent)[0], source.name
