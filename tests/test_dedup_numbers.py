"""Two texts are alike in their numbers only when no dose, range, unit or comparator differs."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimed.dedup.numbers import sequence
from chimed.dedup.signing import permutations, sign


def key(text: str) -> int:
    return int(sign(pa.array([text]), permutations(0)).numbers[0])


DIFFERENT = [
    ("口服1.5mg", "口服15mg"), ("口服0.5 mg", "口服.5 kg"), ("口服.5mg", "口服5mg"), ("每次5毫克", "每次5微克"),
    ("体温≥38.5", "体温≤38.5"), ("P<0.05", "P>0.05"), ("P<0.05", "P<=0.05"), ("±0.5", "+0.5"), ("-5℃", "5℃"),
    ("一日三次", "一日两次"), ("每次半片", "每次一片"), ("1/2片", "12片"), ("½片", "¼片"), ("10²个", "102个"),
    ("1-2片", "12片"), ("1~2片", "1、2片"), ("30%", "30‰"), ("1,000单位", "100单位"), ("1:1000", "11000"),
    ("0.5g×3/日", "0.5g×2/日"), ("38.5℃以上", "38.5℃以下"), ("不超过5片", "超过5片"), ("第二期", "第三期"),
    ("Ⅱ度烧伤", "Ⅲ度烧伤"), ("II期", "III期"), ("5mU", "5MU"), ("1·5g", "15g"), ("每3天", "3天"),
    ("10万单位", "10单位"),
    ("２.5ｍｇ", "２5ｍｇ"), ("10^9/L", "10^6/L"), ("百分之三十", "百分之五十"), ("一片半", "一片"), ("5mg/kg", "5mg"),
    ("1.2.3", "12.3"), ("㎎5㎎", "㎎5㎏"), ("三十岁", "三岁"),
]  # fmt: skip

SAME = [
    ("口服０．５ｍｇ。", "口服0.5mg"), ("1,000单位", "1000 单位"), ("5 mL", "5ml"), ("体温：38℃", "体温38℃"),
    ("3～5天", "3~5天"), ("＜5", "<5"), ("1－2片", "1-2片"), ("一般情况", "通常情形"),
    ("共５片，无不适", "共5片。无异常"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_a_difference_in_dose_is_seen(one: str, other: str) -> None:
    assert sequence(one) != sequence(other)
    assert key(one) != key(other)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_spelling_of_one_number_is_no_difference(one: str, other: str) -> None:
    assert sequence(one) == sequence(other)
    assert key(one) == key(other)


def test_a_text_without_numbers_has_no_key() -> None:
    assert key("无特殊不适，一般情况可") == 0
    assert sequence("<br>无特殊不适</br>") == []


SENTENCES = st.lists(
    st.sampled_from(
        ["口服", "5", "0.5", "mg", "片", "≥", "<", "一日", "三次", "，", " ", "半", "-", "~", "每", "²", "II", "期"]
    ),
    max_size=12,
).map("".join)


@given(SENTENCES | st.text(), SENTENCES | st.text())
def test_the_key_is_the_sequence(one: str, other: str) -> None:
    assert (key(one) == key(other)) == (sequence(one) == sequence(other))


@given(st.integers(0, 10**6), st.integers(0, 99), st.sampled_from(["mg", "片", "次", "℃", "%"]))
def test_every_digit_of_a_value_counts(whole: int, part: int, unit: str) -> None:
    text = f"口服{whole}.{part:02d}{unit}"
    assert sequence(text) == [f"{whole}.{part:02d}{unit}"]
    for i, char in enumerate(text):
        if char.isdigit():
            assert key(text[:i] + str((int(char) + 1) % 10) + text[i + 1 :]) != key(text)


def test_keys_do_not_depend_on_neighbours() -> None:
    texts = ["一日三次", "", "5mg", "无", "1,000"]
    together = sign(pa.array(texts), permutations(0)).numbers
    np.testing.assert_array_equal(together, [key(t) for t in texts])
