"""The same rows give the same bytes, whatever batches they come in; datasets restores the features."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chimed import parquet
from chimed.parquet import published_schema, read_batches, write_one, write_shards

ROWS = [
    {
        "id": f"s:{i:016x}", "messages": [{"role": "user", "content": f"问{i}" * (i % 7 + 1)},
        {"role": "assistant", "content": f"答 {i}mg " * (i % 11 + 1)}], "source": "s", "domain": "medical",
        "rounds": "single", "license": "MIT",
    }
    for i in range(700)
]  # fmt: skip


def batches(cuts: list[int]) -> list[pa.RecordBatch]:
    table = pa.Table.from_pylist(ROWS, published_schema("sft")).combine_chunks()
    edges = sorted({0, len(ROWS), *(cut % len(ROWS) for cut in cuts)})
    whole = table.to_batches()[0]
    return [whole.slice(a, b - a) for a, b in zip(edges, edges[1:], strict=False)]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 10_000), max_size=12))
def test_bytes_do_not_depend_on_batches(tmp_path_factory: pytest.TempPathFactory, cuts: list[int]) -> None:
    folder = tmp_path_factory.mktemp("shards")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "GROUP_BYTES", 9_000)
        patch.setattr(parquet, "SHARD_BYTES", 25_000)
        one = write_shards(folder / "one", "train", batches([]), published_schema("sft"))
        many = write_shards(folder / "many", "train", batches(cuts), published_schema("sft"))
    assert len(one) > 2
    assert [(s.path.name, s.sha256, s.content_sha256, s.rows) for s in one] == [
        (s.path.name, s.sha256, s.content_sha256, s.rows) for s in many
    ]


def test_what_is_read_is_what_was_written_and_datasets_agrees(tmp_path: Path) -> None:
    import datasets

    shards = write_shards(tmp_path, "train", batches([100]), published_schema("sft"))
    assert [row for shard in shards for b in read_batches(shard.path) for row in b.to_pylist()] == ROWS
    loaded = datasets.load_dataset(
        "parquet", data_files=[str(s.path) for s in shards], split="train", cache_dir=str(tmp_path / "cache")
    )
    assert loaded.to_list() == ROWS
    assert isinstance(loaded.features["messages"], datasets.List)


def test_no_rows_give_no_shards_but_one_file_where_one_is_asked_for(tmp_path: Path) -> None:
    assert write_shards(tmp_path, "train", [], published_schema("cpt")) == []
    assert write_one(tmp_path / "part.parquet", [], published_schema("cpt")).rows == 0
    assert list(tmp_path.glob("*.part")) == []
