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
from typing import Any

import numpy as np

SHARE, LEAST = 0.05, 6
KEPT = frozenset("噁癥燀瞤膹憹矇斅勣坏")
"""Characters of Simplified medical text that t2s would change; they stay even inside a converted message."""
PHRASE_ONLY = "哩沈瞭甦藉衹覆"
"""One of these stands in every phrase that t2s changes though none of its characters changes alone (phrases around 坏
aside); a test derives that again from the installed dictionaries."""

_KEPT = re.compile(f"[{''.join(sorted(KEPT))}覆](?:(?<!覆)|(?=[盖蓋]))")
_BEYOND = re.compile("[\U00010000-\U0010ffff]")
_CHINESE = np.zeros(0x110000, np.bool_)
for _low, _high in ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF)):
    _CHINESE[_low : _high + 1] = True
_KANA = re.compile("[\u3040-\u30ff]")
_TASK = re.compile("[繁簡简][体體]|正[体體]字|traditional chinese|simplified chinese", re.IGNORECASE)


def simplify(text: str) -> str:
    """One message on its own: converted if it is Traditional beyond doubt."""
    new = convert(text)
    return new if _strong(_share(text, new)) else text


def simplify_record(texts: Sequence[str], roles: Sequence[str], *, pair: bool = False) -> list[str]:
    """The messages of one record; with `pair` the last two end in one script.

    Left as it is: a record whose user asks about the two scripts, and a message that is mostly Japanese.
    """
    if not any(map(_promising, texts)):
        return list(texts)
    if any(role in {"user", "system"} and _TASK.search(text) for text, role in zip(texts, roles, strict=True)):
        return list(texts)
    new = [convert(text) for text in texts]
    shares = [_share(old, out) for old, out in zip(texts, new, strict=True)]
    beyond_doubt = any(map(_strong, shares))
    chosen = [_strong(share) or (beyond_doubt and _weak(share)) for share in shares]
    if pair and any(map(_weak, shares[-2:])):
        chosen[-2:] = [True, True]
    return [out if yes else old for yes, old, out in zip(chosen, texts, new, strict=True)]


def possible(text: str) -> bool:
    """Whether t2s could change anything in the text; quick, and never wrong when it says no."""
    return _guard().search(text) is not None


def _promising(text: str) -> bool:
    """Whether enough could change to matter: a phrase changes at most four characters for one the guard knows."""
    known = len(_guard().findall(text))
    return known > 0 and (4 * known >= SHARE * len(text) or 4 * known >= SHARE * _chinese(text))


def _codes(text: str) -> Any:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _chinese(text: str) -> int:
    return int(np.count_nonzero(_CHINESE[_codes(text)]))


def convert(text: str) -> str:
    """T2s with the exceptions: kept characters, 覆 in 覆盖, nothing new outside the basic plane, no Japanese."""
    if not possible(text):
        return text
    kana = len(_KANA.findall(text))
    if kana and kana * 10 > _chinese(text):
        return text
    new = _opencc()(text)
    kept = [found.start() for found in (*_KEPT.finditer(text), *_BEYOND.finditer(new))]
    if not kept:
        return new
    signs = list(new)
    for at in kept:
        signs[at] = text[at]
    return "".join(signs)


def _share(old: str, new: str) -> tuple[float, int]:
    """How many characters changed: as a share of the Chinese ones, and counted."""
    if old == new:
        return 0.0, 0
    changed = int(np.count_nonzero(_codes(old) != _codes(new)))
    return changed / max(1, _chinese(old)), changed


def _strong(found: tuple[float, int]) -> bool:
    return found[0] >= SHARE and found[1] >= LEAST


def _weak(found: tuple[float, int]) -> bool:
    return found[0] >= SHARE


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
