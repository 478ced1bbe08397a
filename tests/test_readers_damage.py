"""Whatever happens to one row of a file, at any place in it, every other row is read as it was."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chimed.readers import Blocks, Columns, Delimited, JsonRows, Passages, TextLines
from chimed.source import BadRow, Reader, Row, load

# Examples do not depend on chance: now and then the text does not say whose a part is (see json_resume).
SETTINGS = settings(
    max_examples=80, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
PIECES = [
    b'"', b"{", b"}", b"[", b"]", b",", b",,", b"\\", b"\x00", b"\x01", b"\xff", b"\xe7\x97", b"\t", b"\n", b"\r\n",
    b"\\ud800", b'":', b'{"', b'"}', b'","', b"},", b"],",
]  # fmt: skip
WHICH = st.sampled_from(["first", "second", "last"])
CHANGE = st.sampled_from(["insert", "replace", "delete", "cut the end", "cut the beginning"])
DAMAGE = st.tuples(WHICH, CHANGE, st.floats(0, 1) | st.sampled_from([0.0, 1.0]), st.sampled_from(PIECES))
Damage = tuple[str, str, float, bytes]


def damaged(row: bytes, damage: Damage) -> bytes:
    _, change, where, piece = damage
    at = int(where * len(row))
    return {
        "insert": row[:at] + piece + row[at:],
        "replace": row[:at] + piece + row[at + len(piece) :],
        "delete": row[:at] + row[at + len(piece) :],
        "cut the end": row[:at],
        "cut the beginning": row[at:],
    }[change]


def read(reader: Reader, folder: Path, data: bytes) -> tuple[list[Any], list[BadRow]]:
    (folder / "file").write_bytes(data)
    rows = list(reader.read(folder, ["file"]))
    assert [row.position for row in rows] == list(range(1, len(rows) + 1))
    return [row.value for row in rows if isinstance(row, Row)], [row for row in rows if isinstance(row, BadRow)]


def others_survive(
    reader: Reader, folder: Path, parts: Sequence[bytes], damage: Damage, head: bytes = b"", tail: bytes = b""
) -> None:
    """`parts` are rows, each with what stands between it and the next as its last bytes, which stay."""
    victim = {"first": 0, "second": 1, "last": len(parts) - 1}[damage[0]]
    values, lost = read(reader, folder, head + b"".join(parts) + tail)
    assert lost == [] and len(values) == len(parts)
    others = values[:victim] + values[victim + 1 :]
    ends = len(parts[victim].rstrip(b"\r\n ,"))
    broken = damaged(parts[victim][:ends], damage) + parts[victim][ends:]
    now, lost = read(reader, folder, head + b"".join([*parts[:victim], broken, *parts[victim + 1 :]]) + tail)
    assert [value for value in now if value in others] == others
    assert {row.reason for row in lost} <= {"bad_json", "bad_bytes", "wrong_columns", "wrong_shape"}
    for row in lost:
        assert reader.raw(folder, "file", row.position) == row.raw.rstrip(b"\r\n"), row


def said(n: int) -> str:
    return f'第{n}问：“每日{n}.5 mg，[{n}] {{次}}”\n"引" }}, {{ ], ['


SHAPES: dict[str, Callable[[int], Any]] = {
    "flat": lambda n: {"instruction": said(n), "input": "", "output": f"答{n}"},
    "conversation": lambda n: {"id": str(n), "conversations": [{"from": "human", "value": said(k)} for k in (n, 9, 8)]},
    "turns": lambda n: [f"病人：{said(n)}", f"医生：{n} 片", "病人：谢"],
    "lists in lists": lambda n: {
        "questions": [[said(n), "又问"]],
        "answers": [f"答{n}"],
        "pairs": [["q", "a"], ["q", 1]],
    },
    "fields that come and go": lambda n: {"id": n, "q": said(n)} if n % 3 else {"q": said(n), "a": "无"},
}
LAYOUTS: dict[str, tuple[str, str, str, int | None]] = {
    "lines": ("", "\n", "", None),
    "compact": ("[", ",", "]", None),
    "a line each": ("[\n", ",\n", "\n]\n", None),
    "pretty": ("[\n    ", ",\n    ", "\n]\n", 4),
}


def json_parts(layout: str, rows: Sequence[Any]) -> tuple[bytes, list[bytes], bytes]:
    opens, between, closes, indent = LAYOUTS[layout]
    texts = [json.dumps(row, ensure_ascii=False, indent=indent).replace("\n", "\n    ") for row in rows]
    return opens.encode(), [(t + between).encode() for t in texts[:-1]] + [texts[-1].encode()], closes.encode()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES)
@given(damage=DAMAGE)
@SETTINGS
def test_a_damaged_element_of_json_costs_itself(layout: str, shape: str, tmp_path: Path, damage: Damage) -> None:
    head, parts, tail = json_parts(layout, [SHAPES[shape](n) for n in range(5)])
    others_survive(JsonRows(("file",)), tmp_path, parts, damage, head, tail)


@pytest.mark.parametrize("where", [0.0039, 0.1015625, 0.3976, 0.4012])
@pytest.mark.parametrize("change", ["cut the beginning", "replace"])
def test_what_is_left_of_a_first_line_does_not_make_lines_an_array(tmp_path: Path, where: float, change: str) -> None:
    """A whole object and a comma at the beginning: as an array whose bracket is missing would begin."""
    head, parts, tail = json_parts("lines", [SHAPES["conversation"](n) for n in range(5)])
    others_survive(JsonRows(("file",)), tmp_path, parts, ("first", change, where, b"},"), head, tail)


@pytest.mark.parametrize("indent", [None, 2])
@given(damage=DAMAGE)
@SETTINGS
def test_a_damaged_row_in_a_nest_costs_itself_and_the_others_keep_their_group(
    indent: int | None, tmp_path: Path, damage: Damage
) -> None:
    rows = [{"prompt": said(n), "response": f"答{n}"} for n in range(3)]
    nest = json.dumps({"骂": rows[:2], "伤": rows[2:]}, ensure_ascii=False, indent=indent)
    texts = [json.dumps(row, ensure_ascii=False, indent=indent).replace("\n", "\n    ") for row in rows]
    one, rest = nest.split(texts[0])
    two, three = rest.split(texts[1])
    three, tail = three.split(texts[2])
    parts = [texts[0] + two, texts[1] + three, texts[2]]
    if damage[3][:1] in {b"[", b"]"} and damage[2] < 0.05:
        return  # a bracket before the first row is one of the group itself: json_nest says what that costs
    reader = JsonRows(("file",), (frozenset({"prompt", "response"}),), nested=True)
    others_survive_nested(reader, tmp_path, one, parts, tail, damage, texts)


def others_survive_nested(
    reader: Reader, folder: Path, head: str, parts: list[str], tail: str, damage: Damage, texts: list[str]
) -> None:
    victim = {"first": 0, "second": 1, "last": 2}[damage[0]]
    values, _ = read(reader, folder, (head + "".join(parts) + tail).encode())
    broken = [part.encode() for part in parts]
    broken[victim] = damaged(texts[victim].encode(), damage) + broken[victim][len(texts[victim].encode()) :]
    now, lost = read(reader, folder, head.encode() + b"".join(broken) + tail.encode())
    others = values[:victim] + values[victim + 1 :]
    found = [value for value in now if value in others]
    # what is left of a first row that was cut may be a whole value (`[0]`): nothing tells that it was none, and it takes
    # its neighbour with it, into a row that is lost with a reason or is no row of this layout
    gone = [value for value in others if value not in found]
    assert len(gone) <= (damage[0] == "first" and damage[1].startswith("cut"))
    left = b"".join([row.raw for row in lost] + [str(value).encode() for value in now if value not in others])
    assert all(next(iter(value.values()))["response"].encode() in left for value in gone)
    assert found == [value for value in others if value in found]


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@given(damage=DAMAGE, inner=st.sampled_from(["", "\n次行", ' "引", 一']))
@SETTINGS
def test_a_damaged_record_of_csv_costs_itself(
    encoding: str, quoting: int, tmp_path: Path, damage: Damage, inner: str
) -> None:
    parts = []
    for row in [
        ["title", "ask", "answer"],
        *([f"题{n}", f"第{n}问，“{n}.5 mg”{inner}", f"答{n} 片"] for n in range(4)),
    ]:
        out = io.StringIO(newline="")
        csv.writer(out, quoting=quoting).writerow(row)  # type: ignore[arg-type]
        parts.append(out.getvalue().encode(encoding))
    reader = Delimited(("file",), (frozenset({"title", "answer"}),), encodings=("utf-8", "gb18030"))
    others_survive(reader, tmp_path, parts[1:], damage, parts[0])


LINES: dict[str, tuple[Reader, str]] = {
    "text": (TextLines(("file",)), "第{n}句，每日{n}.5 mg\n"),
    "triples": (Columns(("file",), (3, 5), ((1, "relation"),)), "头{n}@@疾病\t症状\t痛{n}\n"),
}


@pytest.mark.parametrize("kind", LINES)
@given(damage=DAMAGE)
@SETTINGS
def test_a_damaged_line_costs_itself(kind: str, tmp_path: Path, damage: Damage) -> None:
    reader, form = LINES[kind]
    others_survive(reader, tmp_path, [form.format(n=n).encode() for n in range(5)], damage)


@given(damage=DAMAGE, row=st.integers(0, 3))
@SETTINGS
def test_a_damaged_text_of_a_block_costs_its_block(tmp_path: Path, damage: Damage, row: int) -> None:
    reader = Blocks(("file",), opens=r"id=\d+[ \t\r]*$")
    blocks = [f"id={n}\n病人：第{n}问\n医生：每日{n}.5 mg\n\n".encode() for n in range(4)]
    values, _ = read(reader, tmp_path, b"".join(blocks))
    head, text = blocks[row].split(b"\n", 1)
    blocks[row] = head + b"\n" + damaged(text[:-2], damage) + text[-2:]
    now, _ = read(reader, tmp_path, b"".join(blocks))
    assert [value for value in now if value in values[:row] + values[row + 1 :]] == values[:row] + values[row + 1 :]


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        ('["病人：a", "医生：b"]\n["病人：c", "医生：d"]\n', 2),
        ('{"q": 1}{"q": 2}\n{"q": 3}\n', 3),
        ('{"q": 1}\n{"q": "x{"q": 2}\n{"q": 3}\n', 3),
        ('{"q": 1}, {"q": 2}, {"q": 3}]', 3),
        ('[[["q", "a"]], {"q": 1}]}\n{"q": 2}\n{"q": 3}\n', 2),
    ],
)
def test_rows_are_told_apart_where_line_ends_and_brackets_are_missing(data: str, rows: int, tmp_path: Path) -> None:
    values, _ = read(JsonRows(("file",)), tmp_path, data.encode())
    assert len(values) == rows


@given(damage=DAMAGE)
@SETTINGS
def test_damage_in_an_object_of_objects_costs_one_of_them(tmp_path: Path, damage: Damage) -> None:
    if damage[1] != "insert" or set(damage[3]) & set(b"[]{}"):
        return  # a bracket too many or too few may stand for the end of the object itself
    nest = {f"病{n}": {"症状": [[f"痛{n}", 1], ["热", 2]], "药": [[f"丙{n}", 3]]} for n in range(4)}
    text = json.dumps(nest, ensure_ascii=False).encode()
    inside = json.dumps(nest["病1"]["症状"], ensure_ascii=False).encode()
    before, after = text.split(inside)
    reader = JsonRows(("file",), nested=True)
    values, _ = read(reader, tmp_path, text)
    now, _ = read(reader, tmp_path, before + damaged(inside, damage) + after)
    others = [value for value in values if "病1" not in value]
    assert [value for value in now if value in others] == others


def test_a_lost_line_of_a_book_changes_its_own_passage_alone(tmp_path: Path) -> None:
    lines = [f"第{n}行，每日{n % 7}.5 mg，{'字' * (n % 23)}。\n".encode() for n in range(60)]
    reader = Passages(("file",), limit=100)
    before, _ = read_packed(reader, tmp_path, b"".join(lines))
    lines[20] = lines[20].replace("每".encode(), b"\xff")
    after, lost = read_packed(reader, tmp_path, b"".join(lines))
    assert [row.reason for row in lost] == ["bad_bytes"]
    assert len([text for text in before if text not in after]) == 1


def read_packed(reader: Passages, folder: Path, data: bytes) -> tuple[list[str], list[BadRow]]:
    (folder / "file").write_bytes(data)
    rows = list(reader.read(folder, ["file"]))
    assert sum(row.rows for row in rows) == data.count(b"\n")
    return [row.value for row in rows if isinstance(row, Row)], [row for row in rows if isinstance(row, BadRow)]


def test_a_csv_file_of_one_row_is_read_in_its_encoding(tmp_path: Path) -> None:
    reader = Delimited(("file",), (frozenset({"title"}),), encodings=("utf-8", "gb18030"))
    values, lost = read(reader, tmp_path, "title,answer\n标题,回答\n".encode("gb18030"))
    assert (values, lost) == ([{"title": "标题", "answer": "回答"}], [])


@given(change=CHANGE, at=st.integers(0, 4), piece=st.sampled_from([b"\x00", b"\xff", b" ", b"=", b"\xe7"]))
@SETTINGS
def test_a_block_whose_opening_line_is_damaged_is_not_taken_into_its_neighbour(
    tmp_path: Path, change: str, at: int, piece: bytes
) -> None:
    reader = load("meddialog_cn").reader.otherwise  # type: ignore[attr-defined]
    blocks = [f"id=1{n}\nhttps://www.haodf.com/{n}\n\nDialogue\n医生：每日{n}.5 mg\n\n".encode() for n in range(3)]
    head, text = blocks[1].split(b"\n", 1)
    broken = damaged(head, ("second", "delete" if "cut" in change else change, at / len(head), piece))
    values, _ = read(reader, tmp_path, b"".join(blocks))
    now, lost = read(reader, tmp_path, blocks[0] + broken + b"\n" + text + blocks[2])
    assert len(now) + len(lost) == 3
    assert now[0] == values[0] and now[-1] == values[2]
