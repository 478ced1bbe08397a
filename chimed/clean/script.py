"""Traditional to Simplified Chinese by OpenCC (configuration t2s), decided per message.

Converting everything damages Simplified medical text (磺胺甲噁唑, 癥瘕, 燀法, 打坏), so a message is converted only
when it is Traditional beyond doubt: at least 5 % of its Chinese characters and at least 6 of them would change. A
shorter one follows the messages beside it. Rules and measurements: the data format chapter in docs/format.md.
OpenCC's t2s maps one code point to one code point, so what it changed can be judged, and undone, place by place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache

SHARE, LEAST = 0.05, 6
KEPT = frozenset("噁癥燀瞤膹憹矇斅勣坏")
"""Characters of Simplified medical text that t2s would change; they stay even inside a converted message."""
PHRASE_ONLY = "哩沈瞭甦藉衹覆"
"""One of these stands in every phrase that t2s changes though none of its characters changes alone (phrases around 坏
aside); a test derives that again from the installed dictionaries."""

_COVER = re.compile("覆(?=[盖蓋])")
_SPECIAL = re.compile(f"[{''.join(sorted(KEPT))}覆\U00010000-\U0010ffff]")
_CHINESE = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]+")
_KANA = re.compile("[\u3040-\u30ff]")
_TASK = re.compile("[繁簡简][体體]|正[体體]字|traditional chinese|simplified chinese", re.IGNORECASE)


def simplify(text: str) -> str:
    """One message on its own: converted if it is Traditional beyond doubt."""
    new = convert(text)
    return new if _strong(text, new) else text


def simplify_record(texts: Sequence[str], roles: Sequence[str], *, pair: bool = False) -> list[str]:
    """The messages of one record; with `pair` the last two end in one script.

    Left as it is: a record whose user asks about the two scripts, and a message that is mostly Japanese.
    """
    if not any(possible(text) and _promising(text) for text in texts):
        return list(texts)
    if any(role in {"user", "system"} and _TASK.search(text) for text, role in zip(texts, roles, strict=True)):
        return list(texts)
    new = [convert(text) for text in texts]
    strong = [_strong(old, out) for old, out in zip(texts, new, strict=True)]
    chosen = [s or (any(strong) and _weak(old, out)) for s, old, out in zip(strong, texts, new, strict=True)]
    if pair and any(map(_weak, texts[-2:], new[-2:])):
        chosen[-2:] = [True, True]
    return [out if yes else old for yes, old, out in zip(chosen, texts, new, strict=True)]


def possible(text: str) -> bool:
    """Whether t2s could change anything in the text; quick, and never wrong when it says no."""
    return _guard().search(text) is not None


def _promising(text: str) -> bool:
    """Whether enough could change to matter: a phrase changes at most four characters for one the guard knows."""
    return 4 * len(_guard().findall(text)) >= SHARE * _chinese(text)


def _chinese(text: str) -> int:
    return sum(map(len, _CHINESE.findall(text)))


def convert(text: str) -> str:
    """T2s with the exceptions: kept characters, 覆 in 覆盖, nothing new outside the basic plane, no Japanese."""
    if not possible(text) or len(_KANA.findall(text)) * 10 > _chinese(text):
        return text
    new = _opencc()(text)
    if not (_SPECIAL.search(text) or _SPECIAL.search(new)):
        return new
    cover = {found.start() for found in _COVER.finditer(text)}
    return "".join(
        old if old != out and (old in KEPT or out > "\uffff" or at in cover) else out
        for at, (old, out) in enumerate(zip(text, new, strict=True))
    )


def _share(old: str, new: str) -> tuple[float, int]:
    """How many characters changed: as a share of the Chinese ones, and counted."""
    if old == new:
        return 0.0, 0
    changed = sum(map(str.__ne__, old, new))
    return changed / max(1, _chinese(old)), changed


def _strong(old: str, new: str) -> bool:
    share, changed = _share(old, new)
    return share >= SHARE and changed >= LEAST


def _weak(old: str, new: str) -> bool:
    return _share(old, new)[0] >= SHARE


@cache
def _opencc() -> Callable[[str], str]:
    import opencc

    return opencc.OpenCC("t2s").convert


@cache
def _guard() -> re.Pattern[str]:
    """Every character that t2s changes by itself, asked of the installed OpenCC, and those it changes in phrases.

    The supplementary planes are one range: a class of single characters out there makes `re` a hundred times slower.
    """
    asked = "\n".join(map(chr, [*range(0x2E80, 0xD800), *range(0xF900, 0xFB00)]))
    changed = {old for old, new in zip(asked, _opencc()(asked), strict=True) if old != new}
    return re.compile("[" + "".join(sorted(changed | set(PHRASE_ONLY))) + "\U00020000-\U000323af]")
