"""Signatures are datasketch's, whatever the layout of the Arrow array."""

import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from datasketch import MinHash, MinHashLSH
from hypothesis import given
from hypothesis import strategies as st

from chimed.dedup import normalise
from chimed.dedup.signing import permutations, shingle_hash, sign

TEXTS = [
    "", "。！", "痛", "头痛", "患者头痛", "患者头痛三天，加重一天。", "Ａ型①②ａｂｃ℃Ⅳ", "𠮷野家𠀀𠀁𠀂𠀃𠀄",
    "abc def ghi",
    "高血压患者每日口服硝苯地平缓释片10mg，一日两次。" * 40, "咳" * 30_000,
]  # fmt: skip


def oracle(text: str, count: int = 128) -> MinHash:
    copy = normalise.normalised(text)
    minhash = MinHash(num_perm=count, seed=1, scheme="affine32", hashfunc=shingle_hash)
    for i in range(max(1, len(copy) - 4)):
        minhash.update(copy[i : i + 5])
    return minhash


def test_the_packaged_table_is_what_unicode_says() -> None:
    tables = normalise.tables()
    if unicodedata.unidata_version != tables.unicode:
        pytest.skip(f"this Python has Unicode {unicodedata.unidata_version}, the table is made from {tables.unicode}")
    np.testing.assert_array_equal(tables.points & normalise.LOW, normalise.build())


@pytest.mark.parametrize("count", [4, 128, 256])
def test_permutations_are_datasketchs(count: int) -> None:
    a, b = permutations(count)
    np.testing.assert_array_equal(MinHash(num_perm=count, seed=1, scheme="affine32").permutations, [a, b])
    assert (a[0], permutations(128)[1][0]) == (3582191691, 214548472)


def test_signatures_equal_datasketch() -> None:
    signed = sign(pa.array(TEXTS), permutations(128))
    for text, signature in zip(TEXTS[2:], signed.signature[2:], strict=True):
        np.testing.assert_array_equal(signature, oracle(text).hashvalues, err_msg=text[:20])


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_any_text_signs_as_datasketch_signs_it(texts: list[str]) -> None:
    signed = sign(pa.array(texts), permutations(32))
    for i, text in enumerate(texts):
        copy = normalise.normalised(text)
        assert signed.shingles[i] == (max(1, len(copy) - 4) if copy else 0)
        if copy:
            np.testing.assert_array_equal(signed.signature[i], oracle(text, 32).hashvalues)


def test_a_plain_datasketch_client_finds_our_signatures() -> None:
    ab = permutations(128)
    lsh = MinHashLSH(num_perm=128, params=(21, 6))
    for i, row in enumerate(sign(pa.array(TEXTS[4:]), ab).signature):
        lsh.insert(i, MinHash(hashvalues=row, permutations=ab, scheme="affine32", seed=1))
    assert all(i in lsh.query(oracle(text)) for i, text in enumerate(TEXTS[4:]))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_layout_of_the_array_does_not_matter(kind: pa.DataType) -> None:
    whole = sign(pa.array(TEXTS, pa.large_string()), permutations(8))
    array = pa.array(["前", None, *TEXTS, "后"], pa.string()).cast(kind)
    sliced = sign(array[2:-1], permutations(8))
    chunked = sign(pa.chunked_array([array[2:5], array[5:5], array[5:-1]]), permutations(8))
    for other in (sliced, chunked):
        for ours, theirs in zip(whole, other, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert sign(array[1:2], permutations(8)).shingles[0] == 0


def test_fingerprints_tell_texts_apart_and_ignore_what_normalising_drops() -> None:
    array = pa.array(["头痛，三天。", "头痛三天", "头痛三夭", "头痛天三", "头痛三天 "])
    prints = [tuple(p) for p in sign(array, permutations(0)).prints]
    assert prints[0] == prints[1] == prints[4]
    assert len(set(prints)) == 3
