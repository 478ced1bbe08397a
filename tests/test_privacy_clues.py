"""Clues and starts only save time: what they skip would have found nothing, on every text."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chimed.privacy import name_gates, names, places
from chimed.privacy.clues import Bits, Digits, pairs
from chimed.privacy.finding import STRICT_GROUPS, opened
from chimed.privacy.rules import matches
from chimed.privacy.spans import FOLD, fold

LINES = [
    re.sub("⟦[A-Z0-9_]+:|⟧", "", line)
    for part in ("development", "heldout")
    for line in (Path(__file__).parent / "privacy" / f"{part}.jsonl").read_text(encoding="utf-8").splitlines()
]
CUES = (
    "电话 手机 Tel: phone 微信 vx 加V QQ q号 企鹅 邮箱 @ (at) .com .edu/ www. http:// 网站 身份证 护照 通行证 住院号 病历 MRN case no 检查 号码 "
    "银行卡 账号 家住 住址 ，住 路 街 小区 苑 号楼 省 市 区 出生 出生年月 生日 生于 DOB birthday 岁 周岁 九十 一百 入院 手术日期 床 号床 病区 "
    "姓名 姓 名 我叫 本人 主治医师 签名 患者 家属 父亲 ，男， 女 医生 教授 欧阳 李 建国 某 转 分机 年 月 日 京A [姓名]"
).split() + [" ", "\n", "：", "（", "）", "-", "*", "\u3000", "，", "。"]
NUMBERS = st.from_regex(r"\A[0-9]{1,20}\Z") | st.sampled_from(
    ["13812345678", "138 1234 5678", "138****5678", "0571-87654321", "010 8765 4321", "11010519491231002X", "1985-03-05",
     "2023年3月5日", "19850305", "93", "4111111111111111", "400-820-6170", "A123456", "+86-571-87654321"]
)  # fmt: skip
WIDE = {ord(narrow): wide for wide, narrow in FOLD.items()}
PIECE = st.sampled_from(CUES) | NUMBERS | st.sampled_from(LINES).map(lambda line: line[20:44]) | st.text(max_size=3)
PIECES = st.lists(PIECE | PIECE.map(lambda piece: piece.translate(WIDE)), max_size=10).map("".join)
TEXT = PIECES | st.tuples(st.sampled_from(LINES), PIECES).map("".join)
RULES = [rule for group in STRICT_GROUPS for rule in group.rules]
# The head of a case history without a cue, as one pattern: what the look for its rare part must agree with.
HEAD = re.compile(r"(?:^|(?<=[，。；\n\s]))(?=[一-鿿]{2,4}[，、,][ ]?[男女]性?[，、,][ ]?[0-9])")


@given(TEXT)
@settings(max_examples=120, deadline=None)
def test_a_rule_with_its_start_finds_what_it_finds_without(text: str) -> None:
    folded = fold(text)
    for rule in RULES:
        assert list(rule.spans(folded)) == list(replace(rule, start=None).spans(folded)), rule.pattern.pattern
    for pattern, start in (
        (names._EXPLICIT, names._EXPLICIT_START),
        (names._ROLE, names._ROLE_START),
        (places._CUE, places._CUE_START),
    ):
        assert [m.span() for m in matches(pattern, start, folded)] == [m.span() for m in pattern.finditer(folded)]


@given(TEXT)
@settings(max_examples=120, deadline=None)
def test_a_clue_never_hides_a_finding(text: str) -> None:
    """A rule of whose clues one is absent matches nothing, whatever its gate says."""
    folded = fold(text)
    for group in STRICT_GROUPS:
        bits = Bits(group.clues)
        if bits.of(text) != bits.need(group.clues):
            found = [rule.pattern.pattern for rule in group.rules for _ in replace(rule, start=None).spans(folded)]
            assert not found
    for place, _, _, clues in name_gates.NAME_GATES:
        if not Bits(clues).of(text):
            assert names.names(folded, place) == ([], 0)
    for place, clue in places.PLACE_CLUES:
        if not Bits([clue]).of(text):
            assert not list(places.addresses(folded, place))


@given(TEXT)
@settings(max_examples=120, deadline=None)
def test_heads_of_case_histories_and_roads_are_found_by_their_rare_part(text: str) -> None:
    folded = fold(text)
    heads = [at for at, strict in names._heads(folded) if strict]
    assert set(heads) == {m.end() for pattern in (HEAD, names._KIN) for m in pattern.finditer(folded)}
    assert bool(places._ROAD_END.search(folded)) or not places._ROAD.search(folded)


@given(st.text(st.sampled_from("0123456789０５ -－—xX*＊abzＡｚ电话机，\u3000\xa0\U0001f468"), max_size=40))
@settings(max_examples=120, deadline=None)
def test_the_compiled_pass_says_what_the_plain_one_says(text: str) -> None:
    plain = fold(text).lower()
    joined = [re.sub("[^0-9]", "", run) for run in re.findall(r"[0-9\-—–―‐ \t()*x]+", plain)]
    coded = [re.sub("[^0-9]", "", run) for run in re.findall("[0-9a-z-]+", plain)]
    expected = {
        frozenset("机Ａ"): any(sign in text for sign in "机Ａ"),
        pairs("电话 a-", ("12", "34")): re.search(r"电话|a-|[12][34]", plain) is not None,
        Digits(3): max(map(len, joined), default=0) >= 3,
        Digits(7): max(map(len, joined), default=0) >= 7,
        Digits(4, coded=True): max(map(len, coded), default=0) >= 4,
    }
    bits = Bits(expected)
    assert bits.of(text) == bits.need(clue for clue, there in expected.items() if there)


def test_clues_share_bits_and_there_is_room_for_64() -> None:
    assert Bits([pairs("电话"), pairs("电话"), Digits(3)]).need([pairs("电话"), Digits(3)]) == 3
    with pytest.raises(OverflowError):
        Bits(pairs("", ("药", chr(0x4E00 + n))) for n in range(65)).of("药")


def test_a_text_without_clues_opens_nothing() -> None:
    assert not opened("阿莫西林0.5g，每日三次，饭后口服。").rules
    assert opened("请拨打电话13812345678").rules
