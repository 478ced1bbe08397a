"""The steps on characters: what they mend, what they must never touch, and that twice is once."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chimed.clean import DEFAULT, STEPS, _settle, boilerplate, clean, step

GOLD = [
    (line.split("\t")[0], line.split("\t")[-1])
    for line in (Path(__file__).parent / "medical_strings.txt").read_text(encoding="utf-8").splitlines()
]
ALONE = [name for name in STEPS if name != "boilerplate"]
SAMPLES = [
    "阿莫西林", "0.5g", "０．１２５ｇ", "<", ">", "<0.5", "<br>", "<b>", "</b>", "<p>", "</p>", "<sup>", "</sup>",
    "<td>", "<!--", "-->", "&lt;", "&amp;", "&nbsp;", "&#8451;", "&", ";", "\\n", "\\", "n", "\u200b", "\ufeff", "\xad",
    "\u3000", "\xa0", " ", "  ", "\t", "\n", "\r\n", "\x00", "1", "２", "，", "。", "mg", "％", "繁體中文說話",
    "癥瘕", "\u200d", "|", "\U0001f468", "`", "C:", "覆盖", "沈",
]  # fmt: skip
MIXED = st.lists(st.sampled_from(SAMPLES) | st.text(max_size=3), max_size=24).map("".join)
UNITS = "g mg μg kg ml L mmol/L U IU % ℃ mmHg 次/分 万U 岁 片 ×10^9/L".split()
NUMBER = st.from_regex(r"\A(?:0|[1-9][0-9]{0,3})(?:\.[0-9]{1,3})?\Z")
QUANTITY = st.tuples(st.sampled_from(["", "<", ">", "≥", "≤", "±", "＜", "～"]), NUMBER, st.sampled_from(UNITS)).map(
    "".join
)


def one(text: str, role: str = "text") -> str:
    return clean([text], [role]).texts[0]


def test_there_are_enough_medical_strings() -> None:
    assert len({raw for raw, _ in GOLD}) >= 300


@pytest.mark.parametrize("name", ALONE)
def test_medical_strings_survive_each_step(name: str) -> None:
    for raw, wanted in GOLD:
        assert step(name)(raw) in {raw, wanted}, name
        assert step(name)(wanted) == wanted, name


def test_medical_strings_survive_the_chain() -> None:
    assert [one(raw) for raw, _ in GOLD] == [wanted for _, wanted in GOLD]


def test_medical_strings_survive_inside_a_text_that_is_cleaned() -> None:
    for raw, wanted in GOLD:
        got = one(f"<p>治疗&nbsp;经过：\u200b{raw}\u3000</p>\r\n\r\n\r\n注意休息。")
        assert got == f"治疗 经过：{wanted}\n\n注意休息。"


@pytest.mark.parametrize("name", ALONE)
@settings(deadline=None)
@given(text=MIXED)
def test_each_step_twice_is_once(name: str, text: str) -> None:
    once = step(name)(text)
    assert step(name)(once) == once


@settings(deadline=None)
@given(texts=st.lists(MIXED, min_size=1, max_size=3))
def test_the_chain_twice_is_once(texts: list[str]) -> None:
    roles = ["user", "assistant", "user"][: len(texts)]
    once = clean(texts, roles).texts
    again = clean(once, roles)
    assert again.texts == once
    assert again.touched == ()


@settings(max_examples=200, deadline=None)
@given(text=MIXED)
def test_the_chain_skips_only_steps_that_would_change_nothing(text: str) -> None:
    """Every step again and again until all are content, whatever the signs in the text say."""
    names = ("controls", "width", "markup", "escapes", "spaces")
    plain, touched = text, set[str]()
    for _ in range(8):
        before = plain
        for name in names:
            after = step(name)(plain)
            touched |= {name} if after != plain else set()
            plain = after
        if plain == before:
            break
    found: set[str] = set()
    assert (_settle(text, list(names), found), found) == (plain, touched)


@settings(max_examples=300, deadline=None)
@given(parts=st.lists(st.tuples(QUANTITY, st.sampled_from(SAMPLES + ["，每日", "；", "（", "）"])), max_size=8))
def test_every_number_with_its_unit_comes_out(parts: list[tuple[str, str]]) -> None:
    text = "患者" + "".join(f"，{quantity}，{noise}" for quantity, noise in parts) + "。"
    cleaned = one(text)
    at = 0
    for quantity, _ in parts:
        found = cleaned.find(quantity.replace("＜", "<"), at)
        assert found >= 0, (quantity, text, cleaned)
        at = found + 1


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("发热<br/>咳嗽<BR >流涕", "发热\n咳嗽\n流涕"),
        ("<p style='margin:0'>头痛</p><p>恶心</p>", "头痛\n恶心"),
        ("P&lt;0.05，血压&ge;140&nbsp;mmHg", "P<0.05，血压≥140 mmHg"),
        ("&amp;amp;lt;0.5mg", "<0.5mg"),
        ("10<sup>9</sup>/L，CO<sub>2</sub>，Ca<sup>2+</sup>", "10^9/L，CO2，Ca²⁺"),
        ("5<b>10</b>mg", "5<b>10mg"),
        ("<td>5</td><td>10</td>", "5 10"),
        ("&copy x &unknown; H&E; AT&T", "&copy x &unknown; H&E; AT&T"),
        ("<a href=\"http://x.cn\">详情</a>见<!-- 广告 -->药典", "详情见药典"),
        ("a<b 且 c>d", "a<b 且 c>d"),
        ("每日<p>0.05", "每日<p>0.05"),
    ],
)  # fmt: skip
def test_markup(raw: str, wanted: str) -> None:
    assert one(raw) == wanted


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        (r"建议：\n\n1. 休息\n2. 多饮水", "建议：\n\n1. 休息\n2. 多饮水"),
        (r"发热。\r\n咳嗽", "发热。\n咳嗽"),
        (r"频率 \nu = c/\lambda，\neq 0", r"频率 \nu = c/\lambda，\neq 0"),
        (r"C:\new\Notes", r"C:\new\Notes"),
        (r"写作 \\n", r"写作 \\n"),
    ],
)
def test_escapes(raw: str, wanted: str) -> None:
    assert one(raw) == wanted


def test_text_about_programs_keeps_tags_and_escapes() -> None:
    texts = ["请写一段HTML", "<p>你好</p>&nbsp;"]
    assert clean(texts, ["user", "assistant"]).texts == texts
    code = r'print("a\n")'
    assert clean(["用python打印", code], ["user", "assistant"]).texts[1] == code


def test_width() -> None:
    assert one("１．患者体温３８．５℃．早泄．") == "1.患者体温38.5℃．早泄．"
    assert one("［规格］０．１ｇ；｛甲｝（２）～３") == "［规格］0.1g；｛甲｝（2）～3"
    texts = ["把下列全角字符转换为半角字符：ＡＢＣ１２３", "ABC123"]
    assert clean(texts, ["user", "assistant"]).texts == texts


def test_boilerplate_is_found_by_repeats_and_taken_off_the_ends() -> None:
    opening, closing = "感谢您的信任，病情资料我已详细阅读。", "祝您早日康复！"
    advice = ["建议查血常规。", "多饮水，必要时服布洛芬0.2g。"]
    texts = [f"{opening}{advice[i % 2]}{i}号。{closing}" for i in range(60)]
    found = boilerplate([texts[:20], texts[20:]])
    assert found == {opening, closing} == boilerplate([texts[40:], texts[:40]])
    cleaned = clean([texts[1]], ["assistant"], boilerplate=found)
    assert cleaned == ([f"{advice[1]}1号。"], ("boilerplate",))
    assert clean(cleaned.texts, ["assistant"], boilerplate=found).touched == ()
    assert clean([closing], ["assistant"], boilerplate=found).texts == [closing]
    assert boilerplate([texts[:49]]) == frozenset()


def test_repeated_advice_doses_and_drugs_are_never_boilerplate() -> None:
    repeated = [
        "建议您到医院检查血常规。",
        "希望对您有帮助，每次2片。",
        "祝您健康，记得一日三次。",
        "欢迎咨询ABC药房。",
    ]
    assert boilerplate([[text] * 200 for text in repeated]) == frozenset()


def test_controls_and_spaces() -> None:
    assert one("\ufeff体温\u200b38.5\xad℃\x07\r\n血压\u2028120/80") == "体温38.5℃\n血压\n120/80"
    assert one("0.5\x000.25") == "0.5 0.25"
    assert one("\u3000\u3000主诉：  咳嗽 \n\n\n\n\u3000现病史") == "主诉： 咳嗽\n\n现病史"
    assert one("项目\t结果  参考\n| a  | b |") == "项目\t结果  参考\n| a  | b |"
    assert one("    缩进\n        代码") == "缩进\n        代码"
    assert one("家庭\U0001f468\u200d\U0001f469") == "家庭\U0001f468\u200d\U0001f469"


def test_touched_names_the_steps_that_changed_something() -> None:
    assert clean(["５mg<br>"], ["text"]).touched == ("width", "markup", "spaces")
    assert clean(["5mg"], ["text"]).touched == ()
    assert clean(["５mg<br>"], ["text"], steps=("markup",)).texts == ["５mg\n"]
    assert tuple(STEPS) == DEFAULT
