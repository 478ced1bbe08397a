"""Repeated passages equal brute force; what is cut are whole sentences, and nothing else changes."""

import random
from pathlib import Path
from tempfile import mkdtemp

import pytest
from duplicates import batches
from hypothesis import given, settings
from hypothesis import strategies as st

from chimed.dedup import Cut, SubstringSettings, substring
from chimed.dedup.substring import SENTENCE_ENDS, merged, whole_sentences, without
from chimed.errors import UsageError


def cuts(texts: list[str], length: int = 75, rows: int = 3) -> dict[int, Cut]:
    found = list(substring(batches(texts, rows), SubstringSettings(length), Path(mkdtemp()) / "work", 2**16))
    assert [c.row for c in found] == sorted({c.row for c in found})
    return {c.row: c for c in found}


def brute_force(texts: list[str], length: int) -> dict[int, tuple[tuple[tuple[int, int], ...], int]]:
    """Spans to cut and the row of the first occurrence, window by window."""
    seen: dict[str, int] = {}
    result = {}
    for row, text in enumerate(texts):
        covered = [False] * len(text)
        windows, twin = [], None
        for p in range(len(text) - length + 1):
            window = text[p : p + length]
            if window in seen:
                windows.append((p, p + length))
                twin = seen[window] if twin is None else twin
            seen.setdefault(window, row)
        for a, b in windows:
            covered[a:b] = [True] * length
        spans = []
        for a, b in windows:
            if spans and a <= spans[-1][1]:
                spans[-1] = (spans[-1][0], b)
            else:
                spans.append((a, b))
        trimmed = whole_sentences(text, spans)
        if trimmed:
            result[row] = (trimmed, twin)
    return result


ALPHABET = "痛咳。\n𠀀𠀁a"
PIECES = st.lists(st.text(ALPHABET, max_size=14), min_size=1, max_size=6)


@st.composite
def repetitive(draw: st.DrawFn) -> list[str]:
    """Texts that are put together from few pieces, so that passages repeat in and across them."""
    pieces = draw(PIECES)
    made = draw(st.lists(st.lists(st.sampled_from(pieces) | st.text(ALPHABET, max_size=3), max_size=8), max_size=8))
    return ["".join(parts) for parts in made]


@settings(max_examples=300, deadline=None)
@given(repetitive(), st.integers(4, 12), st.integers(1, 9))
def test_spans_equal_brute_force(texts: list[str], length: int, rows: int) -> None:
    found = cuts(texts, length, rows)
    assert {row: (c.spans, c.twin) for row, c in found.items()} == brute_force(texts, length)
    for row, cut in found.items():
        assert cut.text == without(texts[row], cut.spans)


@pytest.mark.parametrize("length", [75, 50, 20])
def test_random_corpus_equals_brute_force(length: int) -> None:
    draw = random.Random(length)
    passages = ["".join(draw.choices("头痛发热咳嗽。，三天加重伴𠮷", k=draw.randint(10, 200))) for _ in range(40)]
    texts = ["".join(draw.choices(passages, k=draw.randint(1, 6))) for _ in range(150)]
    texts += ["痛" * 300, "痛。" * 200, "咳嗽。" * 100, ""]
    found = cuts(texts, length, 17)
    assert {row: (c.spans, c.twin) for row, c in found.items()} == brute_force(texts, length)
    assert len(found) > 50


NOTICE = (
    "本品为处方药，请在医师指导下使用，每次0.5g，一日三次，连用七日，如症状未缓解请及时就医，"
    "孕妇及哺乳期妇女慎用，对本品过敏者禁用，请将本品放在儿童不能接触的地方妥善保存。"
)


def test_the_first_occurrence_stays_and_later_ones_lose_whole_sentences() -> None:
    texts = [
        f"头孢克肟颗粒说明。{NOTICE}用后观察。",
        f"阿莫西林胶囊用于敏感菌感染，皮疹者停用。又见{NOTICE}密封。",
        f"布洛芬：{NOTICE}",
    ]
    found = cuts(texts)
    assert sorted(found) == []  # 又见… and 布洛芬：… share their sentence with the notice
    texts[1] = texts[1].replace("又见", "")
    found = cuts(texts)
    assert found[1].text == "阿莫西林胶囊用于敏感菌感染，皮疹者停用。密封。"
    assert (found[1].drop, found[1].twin, sorted(found)) == (False, 0, [1])


def test_a_row_of_which_too_little_is_left_goes_unless_it_is_needed() -> None:
    other = NOTICE[::-1].replace("。", "") + "。"
    assert cuts([NOTICE + "甲。", NOTICE + "乙。"])[1].drop
    # 9 % are left of the second row, but they are the first occurrence of a passage in the third.
    body = "".join(f"第{i}条{NOTICE}" for i in range(12))
    found = cuts([body, body + other, "前言。" + other + "后记在这里写了很多很多的话所以会留下来。"])
    assert not found[1].drop
    assert found[1].text == other
    assert found[2].text == "前言。后记在这里写了很多很多的话所以会留下来。"


def test_paragraphs_do_not_stick_together() -> None:
    text = f"第一段讲病因与发病机制以及流行病学的特点。\n{NOTICE}\n第三段讲预后。"
    cut = cuts([NOTICE + "\n前文", text])[1]
    assert cut.text == "第一段讲病因与发病机制以及流行病学的特点。\n第三段讲预后。"


@given(st.text(ALPHABET, max_size=60), st.integers(0, 60), st.integers(0, 60))
def test_no_cut_begins_or_ends_inside_a_sentence(text: str, a: int, b: int) -> None:
    a, b = sorted((min(a, len(text)), min(b, len(text))))
    for begin, end in whole_sentences(text, [(a, b)]):
        assert begin == 0 or text[begin - 1] in SENTENCE_ENDS
        assert end == len(text) or text[end - 1] in SENTENCE_ENDS or text[end] == "\n"
        assert a <= begin < end <= b


def test_touching_windows_are_one_passage() -> None:
    import numpy as np

    assert merged(np.array([0, 1, 5, 10, 16]), 5) == [(0, 15), (16, 21)]
    assert merged(np.array([3]), 5) == [(3, 8)]


def test_short_texts_and_no_texts_are_left_alone() -> None:
    assert cuts([]) == {}
    assert cuts(["", "痛", "痛", "头痛三天。" * 10, "头痛三天。" * 10]) == {}
    with pytest.raises(UsageError, match="at least 4"):
        SubstringSettings(3)
