"""Anyone's files: what comes out is what went in, and what is broken is said."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chimed import anyfile
from chimed.errors import DataError

LINES = [
    b'{"id": "a", "text": "\xe5\x8f\x91\xe7\x83\xad", "n": 1.50, "meta": {"x": 1}}',
    b'{"text":null,  "n": 2}',
    b'{"id": 7, "text": "", "meta": {"y": [1, 2]}}',
]


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(LINES) + b"\n\n")
    return path


def test_lines_that_are_kept_stay_byte_for_byte(lines: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    assert anyfile.filter_rows([lines], [True, False, True], out) == 2
    assert out.read_bytes() == LINES[0] + b"\n" + LINES[2] + b"\n"


def test_ids_are_the_files_own_or_row_numbers_over_all_files(lines: Path) -> None:
    batches = list(anyfile.read_texts([lines, lines], "text"))
    ids = [i for batch in batches for i in batch.column("id").to_pylist()]
    assert ids == ["a", "1", "7", "a", "4", "7"]
    assert [t for batch in batches for t in batch.column("text").to_pylist()] == ["发热", "", ""] * 2


def test_rewrite_changes_one_column_and_drops_rows(lines: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    anyfile.rewrite([lines], out, "text", lambda values: [f"{v}！" if v else v and anyfile.DROP for v in values])
    written = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert written[0] == {"id": "a", "text": "发热！", "n": 1.5, "meta": {"x": 1}}
    assert out.read_bytes().splitlines()[1:] == LINES[1:]
    anyfile.rewrite([lines], out, "text", lambda values: [v if v else anyfile.DROP for v in values])
    assert out.read_bytes() == LINES[0] + b"\n"


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
def test_parquet_goes_through_with_its_columns_and_types(tmp_path: Path, kind: pa.DataType) -> None:
    source, out = tmp_path / "a.parquet", tmp_path / "b.parquet"
    table = pa.table({"n": pa.array([1, None, 3], pa.int16()), "text": pa.array(["甲", None, "丙"]).cast(kind)})
    pq.write_table(table, source)
    (batch,) = anyfile.read_texts([source], "text")
    assert batch.column("text").to_pylist() == ["甲", "", "丙"]
    assert batch.column("id").to_pylist() == ["0", "1", "2"]
    anyfile.filter_rows([source], [True, False, True], out)
    written = pq.read_table(out)
    assert written.column_names == ["n", "text"]
    assert written.schema.field("n").type == pa.int16()
    assert written.to_pylist() == [{"n": 1, "text": "甲"}, {"n": 3, "text": "丙"}]


def test_messages_are_read_as_their_contents(tmp_path: Path) -> None:
    source = tmp_path / "a.parquet"
    rows = [[{"role": "user", "content": "头痛？"}, {"role": "assistant", "content": "多休息。"}], None]
    pq.write_table(pa.table({"messages": rows}), source)
    (batch,) = anyfile.read_texts([source], "messages")
    assert batch.column("text").to_pylist() == ["头痛？\n多休息。", ""]


def test_json_lines_to_parquet_and_back(lines: Path, tmp_path: Path) -> None:
    middle, out = tmp_path / "m.parquet", tmp_path / "out.jsonl"
    lines.write_bytes(LINES[0] + b"\n" + LINES[1] + b"\n")
    anyfile.filter_rows([lines], [True, True], middle)
    assert pq.read_schema(middle).names == ["id", "text", "n", "meta"]
    anyfile.filter_rows([middle], [True, True], out)
    assert json.loads(out.read_text(encoding="utf-8").splitlines()[0])["text"] == "发热"


def test_files_without_rows_keep_their_columns(tmp_path: Path) -> None:
    source, out = tmp_path / "a.parquet", tmp_path / "b.parquet"
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), source)
    assert list(anyfile.read_table([source])) == []
    assert anyfile.filter_rows([source], [], out) == 0
    assert pq.read_schema(out).names == ["text"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.parquet", b"PAR1 this is no parquet PAR1", "not a readable Parquet"),
        ("a.parquet", b"", "not a readable Parquet"),
        ("a.jsonl", b'{"text": "a"}\n{"text": \n', "line 2"),
        ("a.jsonl", b'["text"]\n', "line 1"),
        ("a.jsonl", b'{"text": 5}\n', "not text"),
        ("a.jsonl", b'{"t": "a"}\n', "no column 'text'"),
        ("a.jsonl", '{"text": "发"}'.encode("gb18030"), "line 1"),
        ("a.txt", "发热".encode("gb18030"), "not UTF-8"),
        ("a.csv", b"text\na\n", "not known"),
    ],
)
def test_a_broken_file_is_one_clear_error(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=words):
        list(anyfile.read_texts([path], "text"))


def test_a_parquet_torn_in_the_middle_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["咳嗽三天" * 50 + str(i) for i in range(20_000)]}), path)
    whole = bytearray(path.read_bytes())
    whole[1000:40_000] = bytes(39_000)
    path.write_bytes(whole)
    with pytest.raises(DataError, match="not a readable Parquet"):
        list(anyfile.read_table([path]))


def test_an_unfinished_file_never_stands_under_its_name(tmp_path: Path) -> None:
    def broken():
        yield pa.record_batch({"text": ["甲"]})
        raise DataError("stop")

    for name in ("a.jsonl", "a.parquet"):
        with pytest.raises(DataError, match="stop"):
            anyfile.write_table(tmp_path / name, broken(), pa.schema([("text", pa.string())]))
        assert not (tmp_path / name).exists()


@pytest.mark.parametrize("line", [b"{", b'{"text": "\\ud800"}', "发热".encode("utf-16"), b"[1]"])
def test_a_line_that_cannot_be_changed_is_named_and_nothing_is_left_behind(tmp_path: Path, line: bytes) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(LINES[0] + b"\n\n" + line + b"\n")
    with pytest.raises(DataError, match=r"in.jsonl, line 3: "):
        anyfile.rewrite([source], out, "text", lambda values: values)
    assert sorted(tmp_path.iterdir()) == [source]


def test_a_table_that_cannot_be_written_leaves_nothing_behind(lines: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        anyfile.rewrite([lines], tmp_path / "out.txt", "text", lambda values: values)
    lines.write_bytes(LINES[0] + b"\n")
    with pytest.raises(ZeroDivisionError):
        anyfile.rewrite([lines], tmp_path / "out.parquet", "text", lambda values: [1 / 0])
    assert sorted(tmp_path.iterdir()) == [lines]
