"""Flags: what is plainly broken is named and dropped by default, what is merely odd is only counted."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chimed.quality import DEFAULTS, flags

ASKED = "医生您好，最近总是头晕，需要做什么检查？"
GOOD = "建议测量血压，查血常规和颈椎片，头晕时请坐下休息，避免跌倒。"


def answer(text: str, asked: str = ASKED) -> tuple[str, ...]:
    return flags([asked, text], ["user", "assistant"])


@pytest.mark.parametrize(
    "text",
    [
        "network error",
        "!\nnetwork error\n\n\n\nThere was an error generating a response",
        "网络错误，请稍后重试。",
        "服务器繁忙，请稍后再试",
        "Something went wrong. Please try again later.",
        "Hmm...something seems to have gone wrong. Maybe try me again in a little bit.",
    ],
)
def test_an_answer_that_is_an_error_message_is_dropped(text: str) -> None:
    assert "network_error" in answer(text)
    assert DEFAULTS["network_error"] == "drop"


def test_an_answer_that_ends_in_an_error_message_is_only_counted() -> None:
    assert answer(GOOD + "\n\nnetwork error") == ("network_error_tail",)
    assert DEFAULTS["network_error_tail"] == "flag"


def test_talk_about_network_errors_is_no_error() -> None:
    assert answer("如果页面显示网络错误，多半是路由器没有连好，重启路由器后再挂号。", "网上挂号打不开怎么办？") == ()


@pytest.mark.parametrize("text", ["请在此输入您的问题", "标题：头痛\n请在此填写您的病情", "【请输入内容】"])
def test_a_form_nobody_filled_in_is_dropped(text: str) -> None:
    assert flags([text, GOOD], ["user", "assistant"]) == ("unfilled_placeholder",)
    assert DEFAULTS["unfilled_placeholder"] == "drop"


def test_quoted_prompts_of_a_form_are_text() -> None:
    assert answer("网页上会写着“请在此输入您的姓名”，照着填就可以。") == ()


def test_a_key_held_down_is_dropped_but_rules_and_tables_are_not() -> None:
    assert answer("好" * 50) == ("character_run",)
    assert answer("好" * 49) == ()
    assert answer(GOOD + "啊" * 50 + GOOD) == ("character_run",)
    for sign in "-=_.…、0":
        assert answer(GOOD + sign * 200) == ()
    assert flags(["哈" * 60], ["text"]) == ("character_run",)


@settings(deadline=None)
@given(lead=st.text("一二", max_size=60), run=st.integers(1, 120))
def test_a_run_is_found_wherever_it_starts(lead: str, run: int) -> None:
    assert ("character_run" in flags([lead + "三" * run + lead], ["text"])) == (run >= 50)


def test_disclaimers_are_counted() -> None:
    assert answer("作为一个AI语言模型，我不能替代医生，" + GOOD) == ("ai_disclaimer",)
    assert answer("As an AI language model, I cannot", "Translate this into English") == ("ai_disclaimer",)
    assert answer("作为医生，我建议" + GOOD) == ()


ENGLISH = "I'm sorry, but I need a little more information about the bleeding before any advice can be given to you."


def test_an_answer_in_another_language_is_counted_unless_asked_for() -> None:
    assert answer(ENGLISH) == ("other_language",)
    assert answer(ENGLISH, "请把下面这句话翻译成英文：我需要更多信息") == ()
    assert answer(ENGLISH, "Please tell me more") == ()
    assert answer("血常规：WBC 5.6×10^9/L，RBC 4.5×10^12/L，PLT 210×10^9/L，HGB 130g/L，ALT 25U/L。") == ()


def test_lengths() -> None:
    assert answer("否") == ("very_short",)
    assert answer("是的") == ()
    assert flags(["病" + GOOD * 4000], ["text"]) == ("very_long",)


def test_good_rows_raise_nothing() -> None:
    assert answer(GOOD) == ()
    assert flags([GOOD], ["text"]) == ()
    assert flags(["复方磺胺甲噁唑片2片bid"], ["text"]) == ()


@settings(deadline=None)
@given(st.lists(st.text(max_size=80), min_size=1, max_size=4))
def test_names_come_in_the_order_of_the_table(texts: list[str]) -> None:
    found = flags(texts, ["user", "assistant", "user", "assistant"][: len(texts)])
    assert list(found) == [name for name in DEFAULTS if name in found]
