"""Flags by name for rows of doubtful quality; the recipe says of each whether it is off, counted, or drops the row.

By default only what is plainly broken is dropped: an answer that is nothing but an error message, a form nobody filled
in, a key held down. Short answers are not broken: in a knowledge graph one word is an answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

VERSION = "1"

Action = Literal["off", "flag", "drop"]

DEFAULTS: dict[str, Action] = {
    "network_error": "drop",  # an answer that is an error message
    "network_error_tail": "flag",  # an answer that ends in one
    "unfilled_placeholder": "drop",  # 请在此输入您的问题
    "character_run": "drop",  # one character 50 times and more
    "ai_disclaimer": "flag",  # 作为AI语言模型
    "other_language": "flag",  # asked in Chinese, answered in another language, unasked
    "very_short": "flag",  # an answer of one character
    "very_long": "flag",  # a row of more than 100,000 characters
}
"""Every flag and what happens to a row that has it, unless the recipe says otherwise."""

RUN, LONG = 50, 100_000
_ERROR = re.compile(
    r"network error|there was an error generating a response|error in (?:body|message) stream|something went wrong[.,]"
    r"|internal server error|too many requests|the server had an error|网络(?:错误|异常|连接失败|超时)"
    r"|hmm\W*something seems to have gone wrong|maybe try me again in a little bit"
    r"|only one message at a time\W*please allow any other responses? to complete before sending another message"
    r"|服务器(?:繁忙|错误|异常|超时)|请求(?:超时|失败)|系统(?:繁忙|错误|异常)，请|请稍后(?:再试|重试)",
    re.IGNORECASE,
)
_ERROR_WORDS = ("error", "wrong", "too many", "one message", "little bit", "网络", "服务器", "请求", "系统", "稍后")
_AROUND = re.compile(
    r"[\s\W_]*(?:(?:please )?(?:try again(?: later)?|if this issue persists.*)|请?稍后(?:再试|重试))?[\s\W_]*",
    re.IGNORECASE | re.DOTALL,
)
_PLACEHOLDER = re.compile(
    r"(?<![\"'“‘「『=：:])请在(?:此|此处|这里)(?:输入|填写|描述)您"
    r"|^\s*[\[【{＜<](?:请)?(?:在此)?(?:输入|填写|插入)[^\]】}＞>]{0,30}[\]】}＞>]\s*$"
)
_RUN = re.compile(rf"([^\W\d_])\1{{{RUN - 1}}}")  # rules of dashes and rows of commas are no broken text
_DISCLAIMER = re.compile(
    r"作为(?:一个|一名|一款|一种)?\s*(?:AI|人工智能|大型?语言|语言)\s*(?:语言)?\s*(?:模型|助手|机器人|程序)"
    r"|as an? (?:AI|artificial intelligence|(?:large )?language model)",
    re.IGNORECASE,
)
_CHINESE = re.compile("[\u3400-\u9fff]")
_LETTER = re.compile("[A-Za-z\u00c0-\u024f\u0400-\u04ff\u3040-\u30ff\uac00-\ud7af]")
_OTHER_WANTED = re.compile(
    r"[英日韩法德俄西葡意拉][文语]|外语|双语|译|翻|单词|词汇|句子|字母|代码|编程|程序|函数|脚本|公式|歌词|网址|链接|邮箱|[A-Za-z]{3}"
)  # fmt: skip


def flags(texts: Sequence[str], roles: Sequence[str]) -> tuple[str, ...]:
    """The names of all flags that the texts of one row raise, in the order of DEFAULTS.

    `roles` says who speaks: flags on answers look at `assistant`, the others at every text.
    """
    raised = {name for text, role in zip(texts, roles, strict=True) if role == "assistant" for name in _answer(text)}
    raised |= {name for text in texts for name in _any(text)}
    if sum(map(len, texts)) > LONG:
        raised.add("very_long")
    if _switched(texts, roles):
        raised.add("other_language")
    return tuple(name for name in DEFAULTS if name in raised)


def _any(text: str) -> Iterator[str]:
    if ("请" in text or "[" in text or "【" in text) and _PLACEHOLDER.search(text):
        yield "unfilled_placeholder"
    if _may_run(text) and _RUN.search(text):
        yield "character_run"


def _may_run(text: str) -> bool:
    """A run as long as RUN holds two equal characters at neighbouring multiples of half its length."""
    every = text[:: RUN // 2]
    return any(map(str.__eq__, every, every[1:]))


def _answer(text: str) -> Iterator[str]:
    if len(text) < 2:
        yield "very_short"
    if ("作为" in text or "as a" in text.lower()) and _DISCLAIMER.search(text):
        yield "ai_disclaimer"
    end = text[-300:].lower()
    tail = _ERROR.search(text, max(0, len(text) - 300)) if any(word in end for word in _ERROR_WORDS) else None
    if tail is None:
        return
    if _AROUND.fullmatch(_ERROR.sub("", text)):
        yield "network_error"
    elif _AROUND.fullmatch(_ERROR.sub("", text[tail.end() :])):
        yield "network_error_tail"


def _switched(texts: Sequence[str], roles: Sequence[str]) -> bool:
    """A Chinese question that names no other language and no Latin word, answered almost without Chinese."""
    if not any(_foreign(text[:2000]) for text, role in zip(texts, roles, strict=True) if role == "assistant"):
        return False
    asked = "".join(text for text, role in zip(texts, roles, strict=True) if role != "assistant")
    return len(_CHINESE.findall(asked[:2000])) >= 4 and _OTHER_WANTED.search(asked) is None


def _foreign(text: str) -> bool:
    if len(text) <= 40 or len(_CHINESE.findall(text[:400:8])) > 12:
        return False
    chinese = len(_CHINESE.findall(text))
    return chinese * 10 < len(_LETTER.findall(text)) - 40 and "```" not in text
