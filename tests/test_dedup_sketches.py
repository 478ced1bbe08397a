"""Published sketches: plain datasketch reads them, and a build against a release loses what the release holds."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasketch import MinHash, MinHashLSH
from duplicates import are_duplicates, batches, corpus

from chimed.dedup import NearSettings, compared, exact, near, write_sketches
from chimed.dedup.normalise import normalised
from chimed.dedup.signing import shingle_hash
from chimed.errors import DataError
from chimed.parquet import published_schema, write_shards


@dataclass
class Folder:
    """A release as far as deduplication looks at it."""

    path: Path
    split: str

    def shards(self, part: str = "train") -> list[Path]:
        return sorted((self.path / "data").glob(f"*/{part}-*.parquet"))


def released(path: Path, texts: list[str], chosen: NearSettings | None = NearSettings()) -> Folder:  # noqa: B008
    """A CPT release of these texts: two sources, the last text in the validation part."""
    names = ("id", "text", "source", "domain", "kind", "license")
    for source, part, rows in (
        ("a", "train", texts[:-6]),
        ("b", "train", texts[-6:-1]),
        ("b", "validation", texts[-1:]),
    ):
        table = pa.table([[f"{source}:{part}{i}" for i in range(len(rows))], rows, *[[source] * len(rows)] * 4], names)
        write_shards(
            path / "data" / source, part, table.cast(published_schema("cpt")).to_batches(), published_schema("cpt")
        )
    release = Folder(path, "cpt")
    if chosen:
        data = (pq.read_table(shard).to_batches() for part in ("train", "validation") for shard in release.shards(part))
        rows = (compared(batch, "cpt") for file in data for batch in file)
        write_sketches(path / "sketches" / "part-00000.parquet", rows, chosen)
    return release


def test_a_datasketch_client_finds_every_text_in_the_published_sketches(tmp_path: Path) -> None:
    texts = corpus(60, seed=2)
    path = released(tmp_path, texts).path / "sketches" / "part-00000.parquet"
    said = json.loads(pq.read_schema(path).metadata[b"chimed.sketches"])
    assert (said["scheme"], said["seed"], said["permutations"]) == ("affine32", 1, 128)
    permutations = MinHash(num_perm=128, seed=1, scheme="affine32").permutations
    lsh = MinHashLSH(num_perm=128, params=(said["bands"], said["rows"]))
    rows = pq.read_table(path).to_pylist()
    for number, row in enumerate(rows):
        values = np.frombuffer(row["signature"], "<u4")
        lsh.insert(number, MinHash(hashvalues=values, permutations=permutations, scheme="affine32", seed=1))
    for number, text in enumerate(texts):
        copy = normalised(text)
        client = MinHash(num_perm=128, seed=1, scheme="affine32", hashfunc=shingle_hash)
        client.update_batch([copy[i : i + 5] for i in range(max(1, len(copy) - 4))])
        assert number in lsh.query(client)


@pytest.mark.parametrize("sketches", [NearSettings(), NearSettings.preset("strict"), None])
def test_against_a_release_new_copies_go_and_released_rows_stay(tmp_path: Path, sketches: NearSettings | None) -> None:
    texts = corpus(260, seed=11)
    release = released(tmp_path / "release", texts[:100], sketches)
    ids = [f"a:train{i}" for i in range(94)] + [f"b:train{i}" for i in range(5)] + ["b:validation0"]
    found = near(batches(texts[100:]), NearSettings(), tmp_path / "work", against=release)
    assert found.keep.size == 160
    assert found.released
    for row in np.flatnonzero(~found.keep):
        name = found.released.get(int(row))
        twin = texts[ids.index(name)] if name else texts[100 + found.twin[row]]
        assert (found.twin[row] == -1) == (name is not None)
        assert are_duplicates(texts[100 + row], twin, 0.8, "same")
    kept = [texts[100 + i] for i in np.flatnonzero(found.keep)]
    assert not any(are_duplicates(new, old, 0.8, "same") for new in kept for old in texts[:100])
    assert not any(are_duplicates(a, b, 0.8, "same") for i, a in enumerate(kept) for b in kept[:i])


def test_ways_to_the_signatures_of_a_release_give_one_result(tmp_path: Path) -> None:
    texts = corpus(200, seed=12)
    published = released(tmp_path / "with", texts[:100])
    plain = released(tmp_path / "without", texts[:100], None)
    for find in (near, exact):
        one, other = (
            find(batches(texts[100:]), NearSettings(), tmp_path / "work", against=r) for r in (published, plain)
        )
        assert one.released == other.released
        for name in ("keep", "twin", "similarity", "reason", "cluster"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_a_new_dose_is_no_copy_of_a_released_one(tmp_path: Path) -> None:
    leaflet = "成人口服硝苯地平缓释片，每次{}mg，一日两次，饭后服用，避免与西柚汁同服；出现头晕时及时就诊。" * 2
    release = released(tmp_path / "release", [leaflet.format(10, 10)] * 7)
    texts = [leaflet.format(20, 20), leaflet.format(10, 10) + "。", leaflet.format(20, 20)]
    found = near(batches(texts), NearSettings(), tmp_path / "work", against=release)
    assert found.keep.tolist() == [True, False, False]
    assert (found.released, found.twin.tolist()) == ({1: "a:train0"}, [-1, -1, 0])


def test_messages_are_compared_by_all_their_contents() -> None:
    talk = [[{"role": "user", "content": "头痛"}, {"role": "assistant", "content": "多休息"}]]
    row = {"id": ["1"], "messages": talk, "prompt": talk, "chosen": [talk[0][1:]], "rejected": [talk[0][:1]]}
    batch = pa.RecordBatch.from_pydict(row)
    assert compared(batch, "sft").column("text").to_pylist() == ["头痛\n多休息"]
    assert compared(batch, "dpo").column("text").to_pylist() == ["头痛\n多休息\n多休息\n头痛"]


def test_the_same_texts_give_the_same_bytes_in_whatever_batches(tmp_path: Path) -> None:
    texts = corpus(100, seed=3)
    one = write_sketches(tmp_path / "a.parquet", batches(texts, 7)(), NearSettings())
    other = write_sketches(tmp_path / "b.parquet", batches(texts, 100)(), NearSettings())
    assert one.sha256 == other.sha256


def test_a_damaged_release_is_named_before_anything_is_compared(tmp_path: Path) -> None:
    release = released(tmp_path / "old", corpus(20, seed=1))
    (tmp_path / "old" / "sketches" / "part-00000.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="sketches/part-00000.parquet: damaged"):
        near(batches(corpus(5, seed=2)), NearSettings(), tmp_path / "work", against=release)
