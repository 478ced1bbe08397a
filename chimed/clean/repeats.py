"""Site boilerplate: the sentence a web site puts before or after every answer, found by how often it repeats.

Two passes over a source: `count_sentences` for each batch into one Counter (the order of batches does not matter),
`repeated_sentences` once, then `strip_sentences` for each text. A sentence counts only if it speaks about the service
(thanks, wishes, "hope this helps"), holds no digit and no Latin letter and is short: a dose, a unit or a drug is never
part of it, and advice that many doctors give is not taken for residue. Memory grows with the distinct candidates alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

LEAST = 50
_SERVICE = re.compile(
    "以上是(?:我)?对|希望(?:我的|以上|这些|上述)?(?:回答|回复|解答|建议|内容).{0,8}帮助|希望.{0,6}(?:对你|对您|能够|可以|能).{0,4}(?:有所?)?帮助"
    "|感谢您?的?(?:咨询|提问|信任|关注|支持|使用)|欢迎(?:您)?(?:再次)?(?:咨询|关注|来电|访问|下载)|祝您?你?.{0,4}(?:健康|康复|愉快|幸福|平安)"
    "|本(?:网站|站|平台|版权)|点击.{0,6}(?:查看|关注|下载|咨询)|(?:微信|公众号|客服)|采纳|满意.{0,4}(?:评价|好评)"
)
_FORBIDDEN = re.compile(r"[0-9A-Za-z０-９Ａ-Ｚａ-ｚ%％‰℃α-ωⅠ-Ⅻ<>≤≥±]|[一二两三四五六七八九十半]+[片粒支次天日周月年]")
_SENTENCE = re.compile(r"[^。！？!?\n]*[。！？!?\n]+|[^。！？!?\n]+")
_SHORTEST, _LONGEST = 6, 60


def count_sentences(texts: Iterable[str], counter: Counter[str]) -> None:
    """Add the first and the last sentence of every text to the counter, if they could be boilerplate."""
    for text in texts:
        sentences = _SENTENCE.findall(text)
        ends = {sentences[0].strip(), sentences[-1].strip()} if sentences else set()
        counter.update(sorted(sentence for sentence in ends if _could_be(sentence)))


def repeated_sentences(counter: Counter[str], least: int = LEAST) -> frozenset[str]:
    """The sentences that stand at the head or the tail of at least `least` texts."""
    return frozenset(sentence for sentence, count in counter.items() if count >= least)


def strip_sentences(text: str, boilerplate: frozenset[str]) -> str:
    """Take boilerplate sentences off both ends; a text that is nothing else stays."""
    sentences = _SENTENCE.findall(text)
    first, last = 0, len(sentences)
    while last - first > 1 and sentences[last - 1].strip() in boilerplate:
        last -= 1
    while last - first > 1 and sentences[first].strip() in boilerplate:
        first += 1
    return text if (first, last) == (0, len(sentences)) else "".join(sentences[first:last]).strip()


def _could_be(sentence: str) -> bool:
    return (
        _SHORTEST <= len(sentence) <= _LONGEST
        and _SERVICE.search(sentence) is not None
        and _FORBIDDEN.search(sentence) is None
    )
