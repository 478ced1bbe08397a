"""The similarity of a pair is the exact one, whatever was asked of the same row before; cheap tests never hide a pair."""

import numpy as np
import pyarrow as pa
import pytest
from duplicates import jaccard
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from chimed.dedup.normalise import normalised
from chimed.dedup.pairs import agreeing, similarity, tables_for
from chimed.dedup.sets import sets_of

WORDS = ["高血压", "患者", "每日", "口服", "缓释片", "头晕", "及时", "就诊", "复查", "血糖"]
TEXT = st.lists(st.sampled_from(WORDS), min_size=1, max_size=60).map("".join)


def edited(text: str, places: list[int]) -> str:
    for place in places:
        text = text[: place % len(text)] + "变" + text[place % len(text) + 1 :]
    return text


@settings(deadline=None)
@given(
    TEXT,
    st.lists(st.lists(st.integers(0, 999), max_size=12), min_size=1, max_size=6),
    st.sampled_from([0.5, 0.8, 0.95]),
)
def test_equals_the_definition_for_every_pair(text: str, edits: list[list[int]], threshold: float) -> None:
    texts = [text, *(edited(text, places) for places in edits)]
    sets = sets_of(pa.array(texts))
    tables = tables_for(int((sets.shingles_at[:, 1] - sets.shingles_at[:, 0]).max()))
    for u in range(len(texts)):
        for v in range(len(texts)):
            exact = jaccard(texts[u], texts[v])
            alike = Levenshtein.normalized_similarity(normalised(texts[u]), normalised(texts[v]))
            both = exact >= threshold - 1e-9 and alike >= threshold - 1e-9
            found = similarity(u, v, tuple(sets), threshold, tables)
            assert found == pytest.approx(exact if both else -1)


@given(st.integers(1, 1200))
def test_agreeing_bytes_are_counted_beyond_what_a_byte_holds(size: int) -> None:
    rng = np.random.default_rng(size)
    a = rng.integers(0, 3, size, dtype=np.uint8)
    b = rng.integers(0, 3, size, dtype=np.uint8)
    assert agreeing(a, b) == int((a == b).sum())
    assert agreeing(a, a) == size
