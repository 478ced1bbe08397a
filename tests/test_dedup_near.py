"""Near and exact duplicates equal brute force, keep one of each component, and never touch a dose."""

import random
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
from duplicates import WORDS, are_duplicates, batches, corpus, jaccard
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from chimed.dedup import Found, NearSettings, exact, near
from chimed.dedup import near as near_function
from chimed.dedup.edit import edit_within
from chimed.dedup.normalise import normalised
from chimed.dedup.settings import bands_for, candidate_probability
from chimed.errors import UsageError


def brute_force(texts: list[str], threshold: float, numbers: str) -> list[int]:
    """The lowest row of each row's component, over all pairs."""
    root = list(range(len(texts)))
    for i in range(len(texts)):
        for j in range(i):
            if root[i] != root[j] and are_duplicates(texts[i], texts[j], threshold, numbers):
                low, high = sorted((root[i], root[j]))
                root = [low if r == high else r for r in root]
    return root


def check(found: Found, texts: list[str], threshold: float, numbers: str) -> None:
    """What must hold for every result: each lost row leads along true duplicates to a row that is kept."""
    assert (found.twin[found.keep] == -1).all()
    assert (found.reason[found.keep] == 0).all()
    for row in np.flatnonzero(~found.keep):
        twin = int(found.twin[row])
        assert are_duplicates(texts[row], texts[twin], threshold, numbers)
        assert found.similarity[row] == pytest.approx(jaccard(texts[row], texts[twin]), abs=1e-6)
        assert (found.reason[row] == 1) == (normalised(texts[row]) == normalised(texts[twin]))
        for _ in range(len(texts)):
            twin = twin if found.keep[twin] else int(found.twin[twin])
        assert found.keep[twin]
        assert twin < row


@pytest.mark.parametrize("numbers", ["same", "ignore"])
@pytest.mark.parametrize("threshold", [0.8, 0.6, 0.95])
def test_components_equal_brute_force(tmp_path: Path, numbers: str, threshold: float) -> None:
    texts = corpus(350, seed=int(threshold * 100))
    chosen = NearSettings.preset("strict", threshold, numbers)
    found = near(batches(texts), chosen, tmp_path / "work")
    expected = brute_force(texts, threshold, numbers)
    assert [int(i) for i in np.flatnonzero(found.keep)] == [i for i, r in enumerate(expected) if r == i]
    check(found, texts, threshold, numbers)
    loose = brute_force(texts, threshold, "ignore")
    assert found.cluster.tolist() == loose
    assert found.saved_by_numbers == len(set(expected)) - len(set(loose))
    assert (found.saved_by_numbers > 0) == (numbers == "same" and threshold < 0.9)


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 100), st.sampled_from(["same", "ignore"]))
def test_permuted_input_gives_the_same_components(draw: random.Random, rows: int, numbers: str) -> None:
    texts = corpus(80, draw.randrange(10**6))
    order = draw.sample(range(len(texts)), len(texts))
    work = Path(mkdtemp()) / "work"
    chosen = NearSettings.preset("default", 0.8, numbers)
    one = near(batches(texts), chosen, work)
    other = near(batches([texts[i] for i in order], rows), chosen, work)
    clusters: dict[int, set[int]] = {}
    for place, cluster in enumerate(other.cluster):
        clusters.setdefault(int(cluster), set()).add(order[place])
    expected: dict[int, set[int]] = {}
    for row, cluster in enumerate(one.cluster):
        expected.setdefault(int(cluster), set()).add(row)
    assert sorted(map(sorted, clusters.values())) == sorted(map(sorted, expected.values()))
    assert one.keep.sum() == other.keep.sum()


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_batches_and_parts_do_not_matter(tmp_path: Path, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = corpus(300, seed=5)
    whole = near(batches(texts), NearSettings(), tmp_path / "work")
    import importlib

    monkeypatch.setattr(importlib.import_module("chimed.dedup.near"), "PART_BYTES", 4096)
    other = near(batches(texts, rows), NearSettings(), tmp_path / "work")
    for name in ("keep", "twin", "similarity", "reason", "cluster"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(other, name))
    assert not (tmp_path / "work").exists()


def test_a_dose_is_never_merged_and_the_rule_says_what_it_saved(tmp_path: Path) -> None:
    leaflet = (
        "成人口服硝苯地平缓释片，每次{}mg，一日{}次，饭后服用，避免与西柚汁同服；出现头晕、面部潮红时及时就诊。" * 2
    )
    texts = [
        leaflet.format(*v)
        for v in (["10", "两"] * 2, ["20", "两"] * 2, ["10", "三"] * 2, ["1.0", "两"] * 2, ["１０", "两"] * 2)
    ]
    same = near(batches(texts), NearSettings(), tmp_path / "work")
    assert same.keep.tolist() == [True, True, True, True, False]
    assert (same.saved_by_numbers, same.lost()) == (3, {"exact_duplicate": 1})
    assert same.cluster.tolist() == [0] * 5
    ignore = near(batches(texts), NearSettings(numbers="ignore"), tmp_path / "work")
    assert ignore.keep.tolist() == [True, False, False, False, False]


def test_exact_groups_part_by_numbers(tmp_path: Path) -> None:
    texts = ["口服1.5mg。", "口服15mg", "口服 1.5mg", "口服15mg！", "口服"]
    for find in (exact, near):
        found = find(batches(texts), NearSettings(), tmp_path / "work")
        assert found.twin.tolist() == [-1, -1, 0, 1, -1]
        assert found.saved_by_numbers == 1
        assert find(batches(texts), NearSettings(numbers="ignore"), tmp_path / "work").keep.tolist() == [1, 0, 0, 0, 1]


def test_nothing_is_lost_for_being_short_or_empty(tmp_path: Path) -> None:
    texts = ["", "", "。", "？", "　", "痛", "疼", "痛！", "头痛", "头疼", "你好吗", "你好嘛", "好的好的", "好的好"]
    for find in (exact, near):
        found = find(batches(texts), NearSettings(), tmp_path / "work")
        assert np.flatnonzero(~found.keep).tolist() == [7]
        assert found.twin[7] == 5


def test_no_rows_and_one_row(tmp_path: Path) -> None:
    assert near(lambda: iter(()), NearSettings(), tmp_path / "work").keep.size == 0
    assert near(batches([]), NearSettings(), tmp_path / "work").keep.size == 0
    assert near(batches(["头痛"]), NearSettings(), tmp_path / "work").keep.tolist() == [True]


def test_reordered_text_is_no_duplicate(tmp_path: Path) -> None:
    parts = ["".join(random.Random(i).choices(WORDS, k=200)) for i in range(4)]
    found = near(batches(["".join(parts), "".join(parts[2:] + parts[:2])]), NearSettings(), tmp_path / "work")
    assert jaccard("".join(parts), "".join(parts[2:] + parts[:2])) > 0.95
    assert found.keep.all()


def test_a_chain_keeps_one_and_every_hop_is_a_duplicate(tmp_path: Path) -> None:
    letters = list("".join(random.Random(1).choices(WORDS, k=300)))
    texts = []
    for i in range(12):
        letters[i * 24 : i * 24 + 14] = random.Random(i + 50).choices("甲乙丙丁戊己庚辛", k=14)
        texts.append("".join(letters))
    found = near(batches(texts), NearSettings.preset("strict"), tmp_path / "work")
    assert found.keep.tolist() == [True] + [False] * 11
    assert jaccard(texts[0], texts[11]) < 0.8
    check(found, texts, 0.8, "same")


def test_very_long_and_periodic_texts(tmp_path: Path) -> None:
    long = "".join(random.Random(3).choices(WORDS, k=30_000))
    texts = [long, "痛" * 30_000, long[:100] + "咳" + long[101:], "痛" * 29_000, "痛" * 20_000, long[::-1]]
    found = near(batches(texts), NearSettings(), tmp_path / "work")
    assert found.twin.tolist() == [-1, -1, 0, 1, -1, -1]


@settings(max_examples=300, deadline=None)
@given(st.text("头痛发热𠀀", max_size=200), st.text("头痛发热𠀀", max_size=200), st.integers(0, 60))
def test_edit_distance_equals_rapidfuzz(a: str, b: str, most: int) -> None:
    for left, right in ((a, b), (a, a[: len(a) // 3] + b[:5] + a[len(a) // 2 :]), (a + b + a, b + a + b)):
        x, y = (np.frombuffer(t.encode("utf-32-le"), np.uint32) for t in (left, right))
        assert edit_within(x, y, most) == (Levenshtein.distance(left, right) <= most)


def test_bandings_follow_from_the_threshold() -> None:
    assert (NearSettings.preset().bands, NearSettings.preset().rows, NearSettings.preset().floor) == (21, 6, 85)
    assert (NearSettings.preset("strict").bands, NearSettings.preset("strict").rows) == (36, 7)
    assert (NearSettings.preset("lee2022").bands, NearSettings.preset("lee2022").rows) == (450, 20)
    for threshold in (0.1, 0.5, 0.7, 0.9, 1.0):
        assert candidate_probability(threshold, *bands_for(threshold, 128, 0.998)) >= 0.998
    for threshold in (0.0, 1.01, -1):
        with pytest.raises(UsageError, match="threshold"):
            NearSettings.preset("default", threshold)
    with pytest.raises(UsageError, match="lee2022"):
        NearSettings.preset("lee")


def test_lee2022_finds_what_the_default_finds(tmp_path: Path) -> None:
    texts = corpus(120, seed=9)
    lee = near_function(batches(texts), NearSettings.preset("lee2022"), tmp_path / "work")
    default = near_function(batches(texts), NearSettings(), tmp_path / "work")
    np.testing.assert_array_equal(lee.keep, default.keep)
