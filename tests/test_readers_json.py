"""JSON in every layout: what is read, what a broken row costs, and that no other row pays for it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chimed.readers import JsonRows
from chimed.readers import files as on_disk
from chimed.source import BadRow, Row

ANY = JsonRows(("file.json",))
NESTED = JsonRows(("file.json",), (frozenset({"q"}),), nested=True)
ROWS = [{"q": f"第{n}问：“每日{n}.5 mg，[3] {{次}}”", "a": [{"r": "内"}, {"r": '\\n"引"'}], "n": n} for n in range(7)]
LAYOUTS = {
    "lines": lambda rows: [json.dumps(row, ensure_ascii=False) + "\n" for row in rows],
    "lines crlf": lambda rows: [json.dumps(row) + "\r\n" for row in rows],
    "compact": lambda rows: array(rows, "[", ",", "]"),
    "spaced": lambda rows: array(rows, "[ ", " , ", " ]\n"),
    "pretty": lambda rows: array(rows, "[\n    ", ",\n    ", "\n]\n", indent=4),
}


def array(rows: list[Any], opens: str, between: str, closes: str, indent: int | None = None) -> list[str]:
    texts = [json.dumps(row, ensure_ascii=False, indent=indent).replace("\n", "\n    ") for row in rows]
    parts = [text + between for text in texts[:-1]] + [texts[-1] + closes]
    return [opens + parts[0], *parts[1:]]


def read(folder: Path, data: bytes, reader: JsonRows = ANY) -> tuple[list[Any], list[BadRow]]:
    """Values of sound rows and the lost ones; positions must run 1, 2, 3 …"""
    (folder / "file.json").write_bytes(data)
    rows = list(reader.read(folder, ["file.json"]))
    assert [row.position for row in rows] == list(range(1, len(rows) + 1))
    return [row.value for row in rows if isinstance(row, Row)], [row for row in rows if isinstance(row, BadRow)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_every_layout_gives_the_same_rows(layout: str, bom: bytes, tmp_path: Path) -> None:
    data = "".join(LAYOUTS[layout](ROWS)).encode()
    assert read(tmp_path, bom + data) == (ROWS, [])
    for position, row in enumerate(ROWS, 1):
        assert json.loads(ANY.raw(tmp_path, "file.json", position)) == row


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_row_alone_is_a_file(layout: str, tmp_path: Path) -> None:
    assert read(tmp_path, "".join(LAYOUTS[layout](ROWS[:1])).encode()) == (ROWS[:1], [])


@pytest.mark.parametrize(
    "rows", [[["病人：a", "医生：]},{["], ["病人：b"]], ["a", 1, None, {"x": []}], [{"x": 1}, {"y": 2}, {"x": 3}]]
)
def test_arrays_of_arrays_of_scalars_and_of_unlike_objects(rows: list[Any], tmp_path: Path) -> None:
    for layout in ("compact", "spaced", "pretty"):
        assert read(tmp_path, "".join(LAYOUTS[layout](rows)).encode()) == (rows, [])


def test_an_object_of_lists_is_read_element_by_element(tmp_path: Path) -> None:
    nest = {"骂": [{"q": 1}, {"q": 2}], "空": [], "伤": [{"q": "]}"}, "乱"]}
    values, lost = read(tmp_path, json.dumps(nest, indent=1).encode(), NESTED)
    assert values == [{"骂": {"q": 1}}, {"骂": {"q": 2}}, {"伤": {"q": "]}"}}, {"伤": "乱"}]
    assert lost == []
    assert json.loads(NESTED.raw(tmp_path, "file.json", 3)) == {"q": "]}"}


def test_a_lone_row_is_no_nest_and_deeper_nests_are_flattened(tmp_path: Path) -> None:
    assert read(tmp_path, b'{"q": [1, 2]}', NESTED) == ([{"q": [1, 2]}], [])
    deep = {"头": {"症状": [["痛", 0], ["热", 1]], "药": [["A", 2]]}, "二": {"症状": [["痒", 3]]}}
    values, _ = read(tmp_path, json.dumps(deep).encode(), JsonRows(("file.json",), nested=True))
    assert values == [
        {"头": {"症状": ["痛", 0]}}, {"头": {"症状": ["热", 1]}}, {"头": {"药": ["A", 2]}}, {"二": {"症状": ["痒", 3]}},
    ]  # fmt: skip


@pytest.mark.parametrize("layout", ["lines", "compact", "pretty"])
def test_a_cut_file_loses_its_last_row_with_its_line_and_keeps_the_rest(layout: str, tmp_path: Path) -> None:
    data = "".join(LAYOUTS[layout](ROWS)).encode()
    at = data.index("第6问".encode()) + 4  # in the middle of a character
    values, (lost,) = read(tmp_path, data[:at])
    assert values == ROWS[:6]
    assert lost.reason == "bad_json"
    assert f"line {data[: data.rindex(b'{', 0, at)].count(bytes([10])) + 1}," in lost.detail


def test_an_array_cut_between_two_rows_is_told(tmp_path: Path) -> None:
    values, (lost,) = read(tmp_path, b'[{"q": 1}, {"q": 2}')
    assert values == [{"q": 1}, {"q": 2}]
    assert (lost.reason, "cut" in lost.detail) == ("bad_json", True)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (b'{"q": "a\x00b"}', "bad_json"),
        (b'{"q": "\xd6\xd0\xce\xc4"}', "bad_bytes"),
        (b'{"q": "\\ud800"}', "bad_json"),
        (b'{"q": NaN}', "bad_json"),
        (b'{"q": "a",}', "bad_json"),
        (b'{"q": "no end}', "bad_json"),
        (b'{"q": "a"', "bad_json"),
        (b'{"q": "a"]', "bad_json"),
        (b'{"q": "a""}', "bad_json"),
    ],
)
@pytest.mark.parametrize("layout", ["lines", "compact", "pretty"])
def test_a_broken_row_in_the_middle_is_lost_alone(wrong: bytes, reason: str, layout: str, tmp_path: Path) -> None:
    parts = [part.encode() for part in LAYOUTS[layout](ROWS)]
    whole = json.dumps(ROWS[3], ensure_ascii=False, indent=4 if layout == "pretty" else None).replace("\n", "\n    ")
    parts[3] = parts[3].replace(whole.encode(), wrong)
    values, (lost,) = read(tmp_path, b"".join(parts))
    assert values == ROWS[:3] + ROWS[4:]
    assert (lost.reason, lost.position) == (reason, 4)
    if reason == "bad_bytes":
        assert f"byte {b''.join(parts).index(bytes([0xD6, 0xD0]))} " in lost.detail
    assert lost.raw == ANY.raw(tmp_path, "file.json", 4)
    assert lost.raw.strip() == wrong


@pytest.mark.parametrize("layout", ["lines", "compact", "pretty"])
def test_a_row_over_the_limit_is_lost_alone_in_little_memory(
    layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("files", "json_array", "json_nest", "json_window"):
        monkeypatch.setattr(f"chimed.readers.{module}.MAX_ROW", 200_000)
    monkeypatch.setattr("chimed.readers.files.BLOCK", 50_000)
    monkeypatch.setattr("chimed.readers.json_window.BLOCK", 50_000)
    rows = [*ROWS[:3], {"q": "长" * 1_000_000}, *ROWS[3:]]
    values, (lost,) = read(tmp_path, "".join(LAYOUTS[layout](rows)).encode())
    assert values == ROWS
    assert (lost.reason, lost.position) == ("wrong_shape", 4)
    assert "longer than" in lost.detail
    assert len(lost.raw) <= on_disk.MAX_RAW


@pytest.mark.parametrize(
    ("data", "words"), [(b"name,age\n1,2\n", "not JSON"), (b'{"x": 1}\n', "no known layout"), (b"[3]", "no known")]
)
def test_a_file_of_another_kind_is_a_fault_of_the_file(data: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "file.json").write_bytes(data)
    (fault,) = JsonRows(("file.json",), (frozenset({"q"}),)).faults(tmp_path, ["file.json"])
    assert fault.startswith("file.json: ") and words in fault


def test_a_broken_first_row_does_not_condemn_the_file(tmp_path: Path) -> None:
    (tmp_path / "file.json").write_bytes(b'{"q: 1}\n{"q": 2}\n')
    reader = JsonRows(("file.json",), (frozenset({"q"}),))
    assert reader.faults(tmp_path, ["file.json"]) == []
    assert [type(row).__name__ for row in reader.read(tmp_path, ["file.json"])] == ["BadRow", "Row"]


def test_elements_are_found_across_the_edges_of_the_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"q": "长" * (n % 50), "n": n} for n in range(300)]
    data = {layout: "".join(LAYOUTS[layout](rows)).encode() for layout in LAYOUTS}
    monkeypatch.setattr("chimed.readers.json_window.LOOK", 64)
    for block in (17, 101, 997):
        monkeypatch.setattr("chimed.readers.json_window.BLOCK", block)
        monkeypatch.setattr("chimed.readers.files.BLOCK", block)
        for layout, text in data.items():
            assert read(tmp_path, text) == (rows, []), (block, layout)


PIECES = st.sampled_from([b'"', b"}", b"{", b"]", b"[", b",", b"\\", b"\x00", b"\xff", b'","', b"},"])
CHANGES = st.sampled_from(["replace", "insert", "delete"])
MUTATION = st.tuples(CHANGES, st.floats(0, 0.999), st.binary(min_size=1, max_size=4) | PIECES)


@pytest.mark.parametrize("layout", ["lines", "compact", "pretty"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(victim=st.integers(1, 6), mutation=MUTATION)
def test_whatever_happens_inside_one_row_the_others_stay(
    layout: str, victim: int, mutation: tuple[str, float, bytes], tmp_path: Path
) -> None:
    parts = [part.encode() for part in LAYOUTS[layout](ROWS)]
    row = json.dumps(ROWS[victim], ensure_ascii=False, indent=4 if layout == "pretty" else None).replace("\n", "\n    ")
    before, after = b"".join(parts).split(row.encode())
    what, where, piece = mutation
    inside, at = row.encode(), int(where * len(row.encode()))
    mutated = {
        "replace": inside[:at] + piece + inside[at + len(piece) :],
        "insert": inside[:at] + piece + inside[at:],
        "delete": inside[:at] + inside[at + len(piece) :],
    }[what]
    values, lost = read(tmp_path, before + mutated + after)
    others = ROWS[:victim] + ROWS[victim + 1 :]
    assert [value for value in values if value in others] == others
    assert len(values) + len(lost) >= len(others)


@pytest.mark.parametrize("layout", ["lines", "compact", "pretty"])
@pytest.mark.parametrize("at", [0, 1, 2, 5, -1, -2, -9])
@pytest.mark.parametrize("piece", [b"\xff", b'"', b"}", b"\x00"])
def test_a_broken_first_row_costs_only_itself(layout: str, at: int, piece: bytes, tmp_path: Path) -> None:
    parts = [part.encode() for part in LAYOUTS[layout](ROWS)]
    row = json.dumps(ROWS[0], ensure_ascii=False, indent=4 if layout == "pretty" else None).replace("\n", "\n    ")
    before, after = b"".join(parts).split(row.encode())
    inside = bytearray(row.encode())
    inside[at : at + 1 or None] = piece
    values, lost = read(tmp_path, before + bytes(inside) + after)
    assert [value for value in values if value in ROWS[1:]] == ROWS[1:]
    assert len(values) + len(lost) >= len(ROWS)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200) | st.text(st.sampled_from('[]{}",:\\ \nq1'), max_size=60).map(str.encode))
def test_any_bytes_are_rows_or_losses_and_never_an_exception(data: bytes, tmp_path: Path) -> None:
    for reader in (ANY, NESTED):
        (tmp_path / "file.json").write_bytes(data)
        reader.faults(tmp_path, ["file.json"])
        rows = list(reader.read(tmp_path, ["file.json"]))
        assert all(isinstance(row, Row) or row.reason in {"bad_json", "bad_bytes"} for row in rows)
        for row in rows:
            reader.raw(tmp_path, "file.json", row.position)
