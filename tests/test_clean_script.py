"""Traditional to Simplified: what must be converted, what must never be, and that the quick guard never misses."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import opencc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chimed.clean import clean
from chimed.clean.script import KEPT, PHRASE_ONLY, convert, possible, simplify
from tests.upstream import upstream

LONG = "醫生說這個藥物每天服用三次，飯後吃，如果還有頭暈請馬上來醫院檢查。"
LONG_SIMPLE = "医生说这个药物每天服用三次，饭后吃，如果还有头晕请马上来医院检查。"
T2S = opencc.OpenCC("t2s")


def record(texts: list[str], roles: str = "", pair: bool = False) -> list[str]:
    names = [{"u": "user", "a": "assistant", "s": "system"}.get(role, "text") for role in roles or "t" * len(texts)]
    return clean(texts, names, pair=pair).texts


def test_a_traditional_message_is_converted() -> None:
    assert record([LONG]) == [LONG_SIMPLE]
    assert clean([LONG], ["text"]).touched == ("script",)


@pytest.mark.parametrize(
    "text",
    [
        "复方磺胺甲噁唑片2片，每日2次", "二噁英", "癥瘕积聚，止痛化癥胶囊", "诸气膹郁，皆属于肺", "燀苦杏仁",
        "身瞤动", "心中懊憹",
        "小儿黑矇性痴呆", "李勣", "打坏了", "反覆盖住", "右肺樑压", "噁癥燀瞤膹憹矇斅勣", "羽生結弦", "",
    ],
)  # fmt: skip
def test_simplified_text_with_rare_characters_stays(text: str) -> None:
    assert record([text]) == [text]


def test_exceptions_hold_inside_a_converted_message() -> None:
    mixed = LONG + "複方磺胺甲噁唑，癥瘕，燀法，瞤動，打坏，覆蓋率，覆盖。"
    out = record([mixed])[0]
    assert out.startswith(LONG_SIMPLE)
    assert out.endswith("复方磺胺甲噁唑，癥瘕，燀法，瞤动，打坏，覆盖率，覆盖。")
    assert all(sign in KEPT for sign in "噁癥燀瞤坏")


def test_nothing_new_beyond_the_basic_plane() -> None:
    beyond = "".join(c for c in map(chr, range(0x3400, 0xA000)) if T2S.convert(c) > "\uffff")
    assert len(beyond) > 50
    assert not any(c > "\uffff" for c in record([LONG * 20 + beyond])[0])


def test_a_short_message_follows_its_neighbours() -> None:
    assert record(["繼續", LONG], "ua") == ["继续", LONG_SIMPLE]
    assert record(["繼續", "好的，我们接着说。"], "ua") == ["繼續", "好的，我们接着说。"]
    assert (
        record(["患者服用複方丹参滴丸后血压为120/80mmHg，请问还需要继续服用这个药物吗", LONG], "ua")[1] == LONG_SIMPLE
    )


def test_one_stray_character_in_a_long_simplified_message_stays() -> None:
    simple = "患者服用丹参滴丸后血压正常，没什麽不适，请问还需要继续服用这个药物吗，还是可以停药观察一段时间"
    assert record([simple, LONG], "ua") == [simple, LONG_SIMPLE]


def test_records_about_the_two_scripts_are_left_alone() -> None:
    texts = ["请把下面的繁体字转换为简体字", LONG]
    assert record(texts, "ua") == texts
    assert record(["纠正体位后", LONG], "ua")[1] == LONG_SIMPLE
    assert record(["本文讨论繁体中文排版。" + LONG])[0].endswith(LONG_SIMPLE)


def test_japanese_stays() -> None:
    text = "東京の病院で検査を受けました。頭痛と発熱があります。藥を飲んで、體溫を測りました。醫師、學會、臺灣"
    assert record([text]) == [text]


def test_chosen_and_rejected_end_in_one_script() -> None:
    assert record(["你好", "繼續", LONG], "uaa", pair=True) == ["你好", "继续", LONG_SIMPLE]
    assert record(["头晕怎么办", "應該多休息", "应该多休息"], "uaa", pair=True)[1] == "应该多休息"
    simple = ["头晕", "磺胺甲噁唑片", "止痛化癥胶囊"]
    assert record(simple, "uaa", pair=True) == simple


@settings(deadline=None)
@given(st.text(alphabet=LONG + LONG_SIMPLE + "噁癥覆盖沈坏，12mg", max_size=60))
def test_numbers_latin_and_length_stay(text: str) -> None:
    out = simplify(text)
    assert len(out) == len(text)
    assert [c for c in out if c.isascii()] == [c for c in text if c.isascii()]
    assert simplify(out) == out


def test_the_guard_knows_every_character_that_opencc_changes() -> None:
    codes = [*range(0x80, 0xD800), *range(0xE000, 0x323B0)]
    missed = [chr(code) for code in codes if T2S.convert(chr(code)) != chr(code) and not possible(chr(code))]
    assert missed == []


def dictionary(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Phrases of the installed OpenCC, written out by the program that its wheel brings along."""
    home = Path(opencc.__file__).parent / "clib"
    if not (home / "bin" / "opencc_dict").is_file():
        pytest.skip("this build of OpenCC brings no opencc_dict to read its dictionaries with")
    out = tmp_path / "phrases.txt"
    subprocess.run(
        [home / "bin/opencc_dict", "-i", home / "share/opencc/TSPhrases.ocd2", "-o", out, "-f", "ocd2", "-t", "text"],
        check=True, capture_output=True,
    )  # fmt: skip
    for line in out.read_text(encoding="utf-8").splitlines():
        phrase, _, values = line.partition("\t")
        yield phrase, values.split(" ")[0]


def test_the_guard_knows_every_phrase_that_opencc_changes(tmp_path: Path) -> None:
    phrases = list(dictionary(tmp_path))
    assert len(phrases) > 400
    missed = [old for old, new in phrases if old != new and not possible(old)]
    assert [old for old in missed if convert_all(old) != old] == []
    assert all(len(old) == len(new) for old, new in phrases)
    hits = [(sum(map(str.__ne__, old, new)), sum(map(possible, old))) for old, new in phrases]
    assert all(changed <= 4 * known or not known for changed, known in hits)
    assert set(PHRASE_ONLY) <= {sign for old, _ in phrases for sign in old}


def convert_all(text: str) -> str:
    """T2s with only the kept characters undone."""
    return "".join(a if a in KEPT else b for a, b in zip(text, T2S.convert(text), strict=True))


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from strings(part)


def test_the_guard_agrees_with_full_conversion_on_real_text() -> None:
    books = list(upstream().glob("medqa_textbooks/**/zh_paragraph/*.txt"))
    lines = [line for book in books for line in book.read_text(encoding="utf-8").splitlines()]
    assert len(lines) > 40_000
    assert [line for line in lines if not possible(line) and convert_all(line) != line] == []
    assert [line for line in lines if simplify(line) != line] == []


def test_the_harmful_conversions_do_not_happen() -> None:
    listed = json.loads((upstream() / "extra/traditional/t2s_on_simplified.json").read_text(encoding="utf-8"))
    contexts = [context for entry in listed for context in entry["contexts"]]
    medical = [c for c in contexts if set(c) & KEPT]
    assert len(medical) > 10
    assert [c for c in medical if convert(c) != c and set(convert(c)) & KEPT != set(c) & KEPT] == []
    changed = [c for c in contexts if simplify(c) != c]
    assert len(changed) <= 8, changed  # whole Traditional phrases among Simplified text, such as 没有和書的推薦嗎


def test_real_traditional_records_are_converted() -> None:
    rows = json.loads((upstream() / "extra/traditional/real_traditional_records.json").read_text(encoding="utf-8"))
    left = []
    for row in rows:
        texts = [text for text in strings(row["record"]) if text]
        out = clean(texts, ["assistant"] * len(texts)).texts
        left += [text for text in out if len(text) > 20 and simplify(text) != text]
        before = sum(sum(map(str.__ne__, text, convert_all(text))) for text in texts)
        after = sum(sum(map(str.__ne__, text, convert_all(text))) for text in out)
        assert after <= 0.05 * before, (row["source"], row["row"], before, after)
    assert left == []
