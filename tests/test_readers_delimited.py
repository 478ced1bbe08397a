"""csv, tab-separated columns and workbooks: what is read, and that a broken row costs only itself."""

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chimed.readers import Columns, Delimited, Workbook
from chimed.source import BadRow, Row

NAMES = ["department", "title", "ask", "answer"]
ROWS = [["内科", f"标题{n}", f"第{n}问，“每日{n}.5 mg”\n次行", f'答："{n}" 片'] for n in range(7)]
READER = Delimited(("file.csv",), (frozenset({"title", "answer"}),), encodings=("utf-8", "gb18030"))
TABS = Columns(("file.csv",), widths=(3, 5), headers=((1, "relation"), (2, "relation")))


def text(rows: list[list[str]], line_end: str = "\r\n") -> str:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=line_end).writerows(rows)
    return out.getvalue()


def read(folder: Path, data: bytes, reader: Any = READER) -> tuple[list[Any], list[BadRow]]:
    (folder / "file.csv").write_bytes(data)
    rows = list(reader.read(folder, ["file.csv"]))
    assert [row.position for row in rows] == list(range(1, len(rows) + 1))
    values = [
        list(row.value.values()) if isinstance(row.value, dict) else row.value for row in rows if isinstance(row, Row)
    ]
    return values, [row for row in rows if isinstance(row, BadRow)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_encoding_is_decided_by_the_bytes_of_a_file(encoding: str, line_end: str, tmp_path: Path) -> None:
    data = text([NAMES, *ROWS], line_end).encode(encoding)
    assert read(tmp_path, data) == (ROWS, [])
    raw = READER.raw(tmp_path, "file.csv", 3)
    assert raw == text([ROWS[2]], line_end).rstrip("\r\n").encode(encoding.removesuffix("-sig"))
    assert raw in data


def test_a_file_without_a_final_line_end_is_whole(tmp_path: Path) -> None:
    assert read(tmp_path, text([NAMES, *ROWS]).rstrip().encode()) == (ROWS, [])


def test_blank_lines_are_no_rows_and_columns_without_a_name_are_numbered(tmp_path: Path) -> None:
    (tmp_path / "file.csv").write_text("title,answer,,\n\na,b,,c\n\n", encoding="utf-8")
    (row,) = READER.read(tmp_path, ["file.csv"])
    assert row.value == {"title": "a", "answer": "b", "3": "", "4": "c"}


def test_another_number_of_columns_is_lost_alone(tmp_path: Path) -> None:
    rows = [*ROWS[:2], ["内科", "少"], *ROWS[2:4], ["内科", "a", "b", "c", "多"], *ROWS[4:]]
    values, lost = read(tmp_path, text([NAMES, *rows]).encode())
    assert values == ROWS
    assert [(row.position, row.reason) for row in lost] == [(3, "wrong_columns"), (6, "wrong_columns")]
    assert lost[0].raw.decode().strip() == "内科,少"


def test_a_quote_that_is_never_closed_loses_its_line_and_no_other(tmp_path: Path) -> None:
    flat = [[cell.replace("\n", " ").replace('"', "") for cell in row] for row in ROWS]
    lines = text([NAMES, *flat], "\n").splitlines(keepends=True)
    lines[3] = '内科,"标题2,问,答\n'
    values, (lost,) = read(tmp_path, "".join(lines).encode())
    assert values == flat[:2] + flat[3:]
    assert (lost.position, lost.reason) == (3, "wrong_columns")
    assert "line 4" in lost.detail


def test_a_quote_inside_an_unquoted_cell_is_a_character(tmp_path: Path) -> None:
    values, lost = read(tmp_path, b'department,title,ask,answer\na,b 5" c,d,e\n"x"y,b,c,d\n')
    assert values == [["a", 'b 5" c', "d", "e"], ["xy", "b", "c", "d"]]
    assert lost == []


def test_undecodable_bytes_and_nul_lose_their_row_with_the_byte(tmp_path: Path) -> None:
    parts = [text([row]).encode() for row in [NAMES, *ROWS]]
    parts[3] = parts[3].replace("次".encode(), b"\xd6\xff")
    parts[5] = parts[5].replace(b"mg", b"m\x00g")
    data = b"".join(parts)
    values, lost = read(tmp_path, data)
    assert values == ROWS[:2] + [ROWS[3]] + ROWS[5:]
    assert [(row.position, row.reason) for row in lost] == [(3, "bad_bytes"), (5, "bad_bytes")]
    assert f"byte {data.index(bytes([0xD6, 0xFF]))} " in lost[0].detail
    assert str(data.index(0)) in lost[1].detail
    assert lost[0].raw == parts[3]


def test_one_row_in_another_encoding_is_never_published_as_nonsense(tmp_path: Path) -> None:
    for file, row in (("gb18030", "utf-8"), ("utf-8", "gb18030")):
        parts = [text([cells]).encode(file) for cells in [NAMES, *ROWS]]
        parts[3] = text([ROWS[2]]).encode(row)
        values, (lost,) = read(tmp_path, b"".join(parts))
        assert values == ROWS[:2] + ROWS[3:]
        assert (lost.position, lost.reason) == (3, "bad_bytes")


@pytest.mark.parametrize("newline", ["", "\n"])
def test_a_line_over_the_limit_is_lost_alone(newline: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chimed.readers.files.MAX_ROW", 200_000)
    monkeypatch.setattr("chimed.readers.files.BLOCK", 50_000)
    rows = [*ROWS[:3], ["内科", "长" * 400_000, newline, "答"], *ROWS[3:]]
    values, lost = read(tmp_path, text([NAMES, *rows]).encode())
    assert values == ROWS
    assert lost[0].reason == "wrong_shape" and "longer than" in lost[0].detail
    assert sum(len(row.raw) for row in lost) < 100_000


def test_a_file_of_nothing_but_multi_line_records_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chimed.readers.files.BLOCK", 1000)
    rows = [["内科", str(n), "一行\n" * 40, "答"] for n in range(300)]
    assert read(tmp_path, text([NAMES, *rows]).encode()) == (rows, [])


def test_a_quoted_text_without_end_is_one_loss_not_one_for_each_of_its_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chimed.readers.files.BLOCK", 1000)
    lines = ["a,b,c,d\n", "1,2,3,4\n", '1,"' + "文\n" * 9000, "5,6,7,8\n"]
    values, (lost,) = read(tmp_path, ("department,title,ask,answer\n" + "".join(lines)).encode())
    assert values == [list("abcd"), list("1234"), list("5678")]
    assert (lost.position, lost.reason) == (3, "wrong_columns")


def test_records_are_found_across_the_edges_of_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [["内科", str(n), "行\n" * (n % 9), '"' * (n % 3)] for n in range(200)]
    for block in (11, 64, 1000):
        monkeypatch.setattr("chimed.readers.files.BLOCK", block)
        assert read(tmp_path, text([NAMES, *rows]).encode()) == (rows, [])
        assert READER.raw(tmp_path, "file.csv", 150) == text([rows[149]]).rstrip("\r\n").encode()


PIECES = st.binary(min_size=1, max_size=3) | st.sampled_from([b'"', b",", b"\n", b"\r", b"\x00", b'",'])


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(victim=st.integers(0, 6), where=st.floats(0, 0.99), piece=PIECES, cut=st.integers(0, 3))
def test_whatever_happens_inside_one_line_the_others_stay(
    victim: int, where: float, piece: bytes, cut: int, tmp_path: Path
) -> None:
    flat = [[cell.replace("\n", " ").replace('"', "”") for cell in row] for row in ROWS]
    parts = [text([row], "\n").encode() for row in [NAMES, *flat]]
    inside = parts[victim + 1][:-1]
    at = int(where * len(inside))
    parts[victim + 1] = inside[:at] + piece + inside[at + cut :] + b"\n"
    values, lost = read(tmp_path, b"".join(parts))
    others = flat[:victim] + flat[victim + 1 :]
    assert [value for value in values if value in others] == others
    assert all(row.reason in {"wrong_columns", "bad_bytes"} for row in lost)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200) | st.text(st.sampled_from('",\n\r a@\t中'), max_size=60).map(str.encode))
def test_any_bytes_are_rows_or_losses_and_never_an_exception(data: bytes, tmp_path: Path) -> None:
    for reader in (READER, TABS):
        (tmp_path / "file.csv").write_bytes(data)
        reader.faults(tmp_path, ["file.csv"])
        rows = list(reader.read(tmp_path, ["file.csv"]))
        assert all(isinstance(row, Row) or row.reason in {"wrong_columns", "bad_bytes"} for row in rows)
        for row in rows:
            reader.raw(tmp_path, "file.csv", row.position)


def test_a_foreign_header_is_a_fault_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "file.csv").write_bytes(b"id,text\n1,2\n")
    (fault,) = READER.faults(tmp_path, ["file.csv"])
    assert fault.startswith("file.csv: no known layout") and "answer" in fault


def test_tabs_without_quoting_blank_lines_and_the_header_by_its_second_column(tmp_path: Path) -> None:
    data = 'head_entity\trelation\ttail\n甲@@病\t症状\t"痛@@症\n\n甲\t少\n乙\t药\tA@@x@@药物\n'.encode()
    values, (lost,) = read(tmp_path, data, TABS)
    assert values == [["甲@@病", "症状", '"痛@@症'], ["乙", "药", "A@@x@@药物"]]
    assert (lost.reason, lost.position, lost.raw.decode()) == ("wrong_columns", 2, "甲\t少")
    assert TABS.raw(tmp_path, "file.csv", 3).decode() == "乙\t药\tA@@x@@药物"


def test_tabs_without_a_header_and_with_five_columns(tmp_path: Path) -> None:
    values, lost = read(tmp_path, b"a\tb\tc\td\te\nf\tg\th\n1\t2\t3\t4\t5\n", TABS)
    assert values == [list("abcde"), list("12345")]
    assert [row.position for row in lost] == [2]


def workbook(folder: Path, rows: list[list[Any]]) -> None:
    from openpyxl import Workbook as Book

    book = Book()
    for row in rows:
        book.active.append(row)
    book.save(folder / "file.xlsx")


def test_a_workbook_gives_text_and_passes_over_empty_rows(tmp_path: Path) -> None:
    reader = Workbook(("file.xlsx",), (frozenset({"Question"}),))
    workbook(tmp_path, [["Question", "Answer"], ["一问", "A"], [None, None], ["二问", 5]])
    assert reader.faults(tmp_path, ["file.xlsx"]) == []
    assert [row.value for row in reader.read(tmp_path, ["file.xlsx"])] == [
        {"Question": "一问", "Answer": "A"}, {"Question": "二问", "Answer": "5"},
    ]  # fmt: skip
    assert json.loads(reader.raw(tmp_path, "file.xlsx", 2)) == {"Question": "二问", "Answer": "5"}


@pytest.mark.parametrize("damage", ["other zip", "cut", "bit", "columns", "xml"])
def test_damaged_workbooks_are_faults_in_words(damage: str, tmp_path: Path) -> None:
    reader = Workbook(("file.xlsx",), (frozenset({"Question"}),))
    path = tmp_path / "file.xlsx"
    workbook(tmp_path, [["Question" if damage != "columns" else "x"], ["一问" * 500]])
    data = bytearray(path.read_bytes())
    if damage in {"other zip", "xml"}:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("xl/workbook.xml" if damage == "xml" else "data.txt", "<broken")
    elif damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "bit":
        data[len(data) // 3] ^= 0xFF
        path.write_bytes(data)
    (fault,) = reader.faults(tmp_path, ["file.xlsx"])
    assert fault.startswith("file.xlsx: ")
