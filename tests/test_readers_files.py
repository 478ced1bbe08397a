"""Which files are found, which cannot be read at all, where links may lead; and the plain-text readers."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chimed.errors import DataError
from chimed.readers import (
    Blocks,
    Columns,
    Delimited,
    Divided,
    Either,
    FirstOf,
    Grouped,
    JsonRows,
    Passages,
    Sniffed,
    TextLines,
    Together,
)  # fmt: skip
from chimed.readers import files as on_disk
from chimed.source import BadRow, Row, Skip, load, refuse_faults

NAMES = (frozenset({"a"}),)
READERS: dict[str, Any] = {
    "json": JsonRows(("file",)),
    "csv": Delimited(("file",), NAMES),
    "tabs": Columns(("file",), (3,), ()),
    "lines": TextLines(("file",)),
    "passages": Passages(("file",)),
    "blocks": Blocks(("file",), r"id=\d+$"),
    "sniffed": Sniffed(Delimited(("file",), NAMES), JsonRows(("file",))),
    "grouped": Grouped(JsonRows(("file",)), str),
    "divided": Divided(JsonRows(("file",)), lambda value: [value]),
    "either": Either(JsonRows(("file",)), JsonRows(("other",))),
    "together": Together((JsonRows(("file",)), JsonRows(("other",)))),
}
NOT_TEXT = {
    "zip": b"PK\x03\x04" + bytes(40), "gzip": b"\x1f\x8b\x08" + bytes(40), "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-16 without mark": '{"a": 1}\n'.encode("utf-16-le"), "empty": b"", "white space": b"\xef\xbb\xbf \n\n",
    "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "page": b"<!DOCTYPE html><html></html>",
    "parquet": b"PAR1" + bytes(40),
}  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("content", NOT_TEXT)
def test_files_that_are_no_text_are_named_with_what_to_do(reader: str, content: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(NOT_TEXT[content])
    (fault,) = READERS[reader].faults(tmp_path, ["file"])
    assert fault.startswith("file: ")
    assert fault.endswith(".")


@pytest.mark.parametrize("reader", READERS)
def test_a_folder_or_a_pipe_where_a_file_should_be(reader: str, tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    assert READERS[reader].find(tmp_path) == ["file"]
    assert "folder" in READERS[reader].faults(tmp_path, ["file"])[0]
    (tmp_path / "file").rmdir()
    os.mkfifo(tmp_path / "file")
    assert "regular file" in READERS[reader].faults(tmp_path, ["file"])[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("[1]", encoding="utf-8")
    (tmp_path / "file").chmod(0)
    assert "Permission denied" in READERS["json"].faults(tmp_path, ["file"])[0]


def test_links_inside_and_into_a_hub_cache_are_followed_others_refused(tmp_path: Path) -> None:
    root, cache, outside = tmp_path / "from", tmp_path / "hub/datasets--A--b", tmp_path / "elsewhere"
    for place in (root / "one", root / "two", cache / "blobs", cache / "snapshots/0", outside):
        place.mkdir(parents=True)
    for file in (root / "two/file", cache / "blobs/0", outside / "file"):
        file.write_text("[1]", encoding="utf-8")
    (cache / "snapshots/0/file").symlink_to("../../blobs/0")
    reader, link = READERS["json"], root / "one/file"
    for target, words in (
        (root / "two/file", None), (cache / "snapshots/0/file", None), (outside / "file", "outside"),
        (root / "one/absent", "No such file"), (link, "symbolic links"),
    ):  # fmt: skip
        link.symlink_to(target)
        faults = reader.faults(root / "one", reader.find(root / "one"), root)
        assert not faults if words is None else faults[0].startswith("file: ") and words in faults[0]
        link.unlink()
    assert reader.faults(cache / "snapshots/0", ["file"], cache / "snapshots/0") == []


def test_from_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real/one").mkdir(parents=True)
    (tmp_path / "real/one/file").write_text("[1]", encoding="utf-8")
    (tmp_path / "link").symlink_to("real")
    assert READERS["json"].faults(tmp_path / "link/one", ["file"], tmp_path / "link") == []


def test_all_faults_of_all_sources_are_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "school_math_0.25M.json").write_bytes(b"PK\x03\x04")
    (tmp_path / "train_2M_CN.json").write_bytes("[]".encode("utf-16"))
    sources = [load("school_math"), load("belle_train_2m")]
    with pytest.raises(DataError) as error:
        refuse_faults([(source, tmp_path, source.files(tmp_path)) for source in sources], tmp_path)
    lines = str(error.value).splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "school_math, school_math_0.25M.json", "belle_train_2m, train_2M_CN.json",
    ]  # fmt: skip
    refuse_faults([])


def test_alternatives_are_tried_in_order_and_left_out_names_stay_out(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "all.txt", "c.json"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    assert on_disk.find(tmp_path, (FirstOf.these("none.txt", ("b.txt", "a.txt"), "c.json"), "*.json")) == [
        "a.txt", "b.txt", "c.json",
    ]  # fmt: skip
    assert on_disk.find(tmp_path, ("*.txt",), leave_out=("all.txt",)) == ["a.txt", "b.txt"]


def test_lines_and_passages_keep_the_others_when_one_does_not_decode(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes("一行\n\n \u3000\n二行\r\n".encode() + b"\xff\xfe\n" + "a\0b\n三行".encode())
    rows = list(READERS["lines"].read(tmp_path, ["file"]))
    assert [row.value if isinstance(row, Row) else row.reason for row in rows] == [
        "一行", "二行", "bad_bytes", "bad_bytes", "三行",
    ]  # fmt: skip
    assert [row.position for row in rows] == [1, 2, 3, 4, 5]
    assert READERS["lines"].raw(tmp_path, "file", 5) == "三行".encode()
    packed = list(READERS["passages"].read(tmp_path, ["file"]))
    sound = [row for row in packed if isinstance(row, Row)]
    assert [(row.value, row.position, row.rows) for row in sound] == [("一行\n二行\n三行", 1, 3)]
    assert sum(row.rows for row in packed) == 5
    assert READERS["passages"].raw(tmp_path, "file", 1) == "一行\n二行\n三行".encode()
    assert READERS["passages"].raw(tmp_path, "file", 3) == b"\xff\xfe"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.text(st.sampled_from("一二 a"), min_size=1, max_size=15), min_size=1, max_size=40))
def test_passages_hold_every_line_once_in_order_and_never_too_much(lines: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("\n".join(["首", *lines]), encoding="utf-8")
    rows = [row for row in Passages(("file",), limit=20).read(tmp_path, ["file"]) if isinstance(row, Row)]
    assert "\n".join(row.value for row in rows).split("\n") == ["首", *(line.strip() for line in lines if line.strip())]
    assert all(len(row.value) <= 20 for row in rows)
    assert all(len(a.value) + 1 + len(b.value.split("\n")[0]) > 20 for a, b in zip(rows, rows[1:], strict=False))


def test_blocks_begin_only_at_their_opening_line(tmp_path: Path) -> None:
    data = "vor\nid=1\nid 在文中\nidx\n\nid=22 \r\nb\n".encode() + b"id=3\n\xff\n" + b"id=4"
    (tmp_path / "file").write_bytes(data)
    reader = Blocks(("file",), r"id=\d+[ \t\r]*$")
    rows = list(reader.read(tmp_path, ["file"]))
    assert [row.reason if isinstance(row, BadRow) else row.value.split("\n")[0].strip() for row in rows] == [
        "wrong_shape", "id=1", "id=22", "bad_bytes", "id=4",
    ]  # fmt: skip
    assert b"".join(reader.raw(tmp_path, "file", row.position) for row in rows) == data


def test_an_endless_block_or_line_is_lost_in_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("files", "blocks"):
        monkeypatch.setattr(f"chimed.readers.{module}.MAX_ROW", 10_000)
    monkeypatch.setattr("chimed.readers.files.BLOCK", 1_000)
    (tmp_path / "file").write_bytes(
        b"id=1\n" + b"x\n" * 20_000 + b"id=2\nb\n" + b"id=3\n" + b"y" * 50_000 + b"\nid=4\n"
    )
    rows = list(READERS["blocks"].read(tmp_path, ["file"]))
    assert [row.reason if isinstance(row, BadRow) else "" for row in rows] == ["wrong_shape", "", "wrong_shape", ""]
    assert all(len(row.raw) <= on_disk.MAX_RAW for row in rows if isinstance(row, BadRow))
    lost = [row for row in READERS["lines"].read(tmp_path, ["file"]) if isinstance(row, BadRow)]
    assert [row.reason for row in lost] == ["wrong_shape"]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=120) | st.text(st.sampled_from("id=1\n\r 病\0"), max_size=40).map(str.encode))
def test_any_bytes_are_rows_or_losses(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(data)
    for name in ("lines", "passages", "blocks", "sniffed", "either", "together", "divided"):
        reader = READERS[name]
        reader.faults(tmp_path, ["file"])
        for row in reader.read(tmp_path, ["file"]):
            reader.raw(tmp_path, "file", row.position)


def first_letter(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise Skip("wrong_shape", "no letter")
    return value[0]


def test_grouping_joins_over_the_whole_file_in_order_of_first_sight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chimed.readers.grouped.BATCH", 3)
    (tmp_path / "file").write_text('["b1","a1",7,"b2","c1","a2","b3","b3","",{"x',  encoding="utf-8")  # fmt: skip
    reader = Grouped(JsonRows(("file",)), first_letter)
    rows = list(reader.read(tmp_path, ["file"]))
    groups = [(row.key, row.value, row.position, row.rows) for row in rows if isinstance(row, Row)]
    assert groups == [
        ("b", ["b1", "b2", "b3", "b3"], 1, 4), ("a", ["a1", "a2"], 2, 2), ("c", ["c1"], 5, 1),
    ]  # fmt: skip
    lost = [(row.position, row.reason) for row in rows if isinstance(row, BadRow)]
    assert lost == [(3, "wrong_shape"), (9, "wrong_shape"), (10, "bad_json")]
    assert reader.raw(tmp_path, "file", 1) == b'"b1"\n"b2"\n"b3"\n"b3"'
    assert reader.raw(tmp_path, "file", 3) == b"7"
    assert reader.raw(tmp_path, "file", 10) == b'{"x'


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.text(st.sampled_from("abc"), min_size=1, max_size=2), max_size=30))
def test_grouping_is_the_same_as_in_memory(values: list[str], tmp_path: Path) -> None:
    import orjson

    (tmp_path / "file").write_bytes(orjson.dumps(values))
    wanted: dict[str, list[str]] = {}
    for value in values:
        wanted.setdefault(value[0], []).append(value)
    rows = list(Grouped(JsonRows(("file",)), first_letter).read(tmp_path, ["file"]))
    assert {row.key: row.value for row in rows if isinstance(row, Row)} == wanted
    assert [row.key for row in rows if isinstance(row, Row)] == list(wanted)


def test_divided_rows_count_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text('[[1,2],[],[3],"x"', encoding="utf-8")
    reader = Divided(JsonRows(("file",)), lambda value: list(value) if isinstance(value, list) else [])
    rows = list(reader.read(tmp_path, ["file"]))
    assert [(row.value, row.position, row.rows) for row in rows if isinstance(row, Row)] == [
        (1, 1, 1), (2, 1, 0), ([], 2, 1), (3, 3, 1), ("x", 4, 1),
    ]  # fmt: skip
    assert sum(row.rows for row in rows) == 5
