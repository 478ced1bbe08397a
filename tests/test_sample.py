"""The packaged sample: exact upstream layouts, rows as promised, and nobody's real number."""

import csv
import io
import json
import re
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sample_counts import COUNTERS, RELEASE, SAMPLE, counted, json_lines, table, tally, text

PHONES = {"13800138000", "13800000000", "13900000000", "010-22222222"}


@pytest.mark.parametrize("name", sorted(COUNTERS))
def test_a_source_has_the_rows_that_are_promised(name: str) -> None:
    expected = json.loads(text("EXPECTED.json"))[name]
    expected.pop("splits", None)
    assert counted(name) == expected


def test_the_combined_release_is_counted_by_split() -> None:
    splits = json.loads(text("EXPECTED.json"))["chimed_release"]["splits"]
    assert splits == {split: tally(count()) for split, count in RELEASE.items()}


def test_every_source_folder_is_counted() -> None:
    folders = {path.name for path in SAMPLE.iterdir() if path.is_dir()} - {"eval"}
    assert folders | {"cmexam_explanation"} == set(COUNTERS) == set(json.loads(text("EXPECTED.json")))


@pytest.mark.parametrize("part", ["train", "val", "test_with_annotations"])
def test_cmexam_has_its_marks_and_line_ends(part: str) -> None:
    data = (SAMPLE / f"cmexam/data/{part}.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbfQuestion,Options,Answer,Explanation")
    assert re.search(rb"[^\r]\nB ", data), "options are parted by a bare LF"
    assert data.endswith(b"\r\n") is (part != "test_with_annotations")
    assert {len(row) for row in table(f"cmexam/data/{part}.csv")} == {9 if part.startswith("test") else 4}


def test_encodings_are_those_of_the_upstream_files() -> None:
    files = sorted((SAMPLE / "chinese_medical_dialogue").glob("Data_数据/*/*.csv"))
    assert len(files) == 6
    readable = {path.name[:2] for path in files if b"department" in path.read_bytes() and utf8(path)}
    assert readable == {"儿科"}
    assert not utf8(SAMPLE / "health39_kg/data/disease.csv")
    header = text("health39_kg/data/disease.csv", "gb18030").split("\n", 1)[0]
    assert header.count(",") == 19 and header.endswith("money,,,,,")


def utf8(path: Path) -> bool:
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return False
    return True


def test_the_books_hold_each_line_twice_once_alone_and_once_in_the_collection() -> None:
    folder = SAMPLE / "medqa_textbooks/data_clean/textbooks/zh_paragraph"
    books = sorted(path for path in folder.glob("*.txt") if path.name != "all_books.txt")
    assert b"".join(path.read_bytes() for path in books) == (folder / "all_books.txt").read_bytes()
    assert sum(len(path.read_bytes()) for path in books) > 60_000


def test_ceval_is_a_zip_of_three_splits_and_fifty_two_subjects() -> None:
    subjects = json.loads(text("eval/ceval/subject_mapping.json"))
    assert len(subjects) == 52
    assert Counter(category for _, _, category in subjects.values()) == {
        "STEM": 20, "Social Science": 10, "Humanities": 11, "Other": 11,
    }  # fmt: skip
    with zipfile.ZipFile(SAMPLE / "eval/ceval/ceval-exam.zip") as archive:
        members = archive.namelist()
        for member in members:
            rows = list(csv.reader(io.StringIO(archive.read(member).decode("utf-8"), newline="")))
            assert {len(row) for row in rows} == {{"dev": 8, "val": 7, "test": 6}[member.split("/")[0]]}
    assert len(members) == 12
    assert {member.split("/")[1].rsplit("_", 1)[0] for member in members} < set(subjects)


def test_nobody_can_be_called() -> None:
    for path in sorted(SAMPLE.rglob("*")):
        if path.is_file() and path.suffix != ".zip":
            written = path.read_bytes().decode("utf-8" if utf8(path) else "gb18030", "replace")
            folded = written.translate({0xFF10 + n: str(n) for n in range(10)})
            found = re.findall(r"(?<![0-9])(?:1[3-9][0-9]{9}|0[0-9]{2,3}-[2-9][0-9]{6,7})(?![0-9])", folded)
            assert set(found) <= PHONES, path.name


def test_identity_numbers_have_a_true_checksum_and_no_true_region() -> None:
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    rows = table("chinese_medical_dialogue/Data_数据/IM_内科/内科5000-33000.csv", "gb18030")
    found = re.findall(r"(?<![0-9])[0-9]{17}[0-9X]", json.dumps(rows))
    assert found
    for number in found:
        assert number.startswith("1901011900")
        assert "10X98765432"[sum(int(d) * w for d, w in zip(number, weights, strict=False)) % 11] == number[-1]


PLANTED = json.loads(text("PLANTED.json"))


def planted_row(place: dict[str, Any]) -> str:
    """The row at an address, as one string."""
    name, index = f"{place['source']}/{place['file']}", place["position"] - 1
    if name.endswith(".csv"):
        decoded = "gb18030" if "Data_数据" in name or "health39" in name else "utf-8-sig"
        return "\n".join(table(name, "utf-8" if "儿科5" in name else decoded, "replace")[1:][index])
    whole = (SAMPLE / name).read_bytes()
    row = json.loads(whole)[index] if whole.startswith(b"[") else list(json_lines(name))[index]
    return json.dumps(row, ensure_ascii=False)


@pytest.mark.parametrize("twins", PLANTED["differ_in_a_dose_and_stay"], ids=lambda twins: str(twins[0]["source"]))
def test_dose_twins_differ_in_nothing_but_the_dose(twins: list[dict[str, Any]]) -> None:
    first, second = map(planted_row, twins)
    assert first != second
    assert re.sub("[0-9]+(?=mg|μg)", "", first) == re.sub("[0-9]+(?=mg|μg)", "", second)


def test_duplicates_inside_a_source_are_byte_identical() -> None:
    inside = [twins for twins in PLANTED["exact_duplicates"] if twins[0]["source"] == twins[1]["source"]]
    assert len(inside) > 5
    assert all(planted_row(one) == planted_row(other) for one, other in inside)


def test_the_leaks_are_evaluation_items() -> None:
    copied, quoted = map(planted_row, PLANTED["leak_an_evaluation_item"])
    assert copied in ["\n".join(row[:4]) for row in table("eval/cmexam_test/test_with_annotations.csv")]
    with zipfile.ZipFile(SAMPLE / "eval/ceval/ceval-exam.zip") as archive:
        rows = csv.reader(io.StringIO(archive.read("val/physician_val.csv").decode("utf-8"), newline=""))
        assert any(row[1].rstrip("_。") in quoted for row in rows)


def test_identifiers_and_traditional_rows_stand_where_they_are_said_to() -> None:
    said = "".join(map(planted_row, PLANTED["identifiers"]))
    assert all(cue in said for cue in ("住院号", "身份证号", "微信", "QQ", "example.com", "银行卡", "１３９"))
    assert all(re.search("[們個這給時醫應話幫]", planted_row(place)) for place in PLANTED["traditional"])
