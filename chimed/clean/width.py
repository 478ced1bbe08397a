"""Full-width ASCII to ASCII, one character for one character, where Chinese typography does not want it wide.

Folded: letters, digits and the signs that stand in numbers, formulas and identifiers
(％＋－＝／．＜＞＆＃＊＠＿＂＇｜＾).
Left as they are: the punctuation of Chinese running text ，；：？！（）［］｛｝～, because folding it would turn a Chinese
sentence into a mixed one and `10～15mg` is how Chinese writes a range; and ＼ ｀ ＄, whose ASCII forms would start an
escape, a code span or a formula. ． is folded beside a digit or a Latin letter; elsewhere it ends a Chinese sentence.
Compatibility forms such as ℃ ㎎ Ⅲ ① ² are no full-width ASCII and stay (no NFKC anywhere).
"""

from __future__ import annotations

import re

_LEFT = "，；：？！（）［］｛｝～＼｀＄"
_FOLDED = "".join(chr(0xFEE0 + code) for code in range(0x21, 0x7F) if chr(0xFEE0 + code) not in _LEFT + "．")
_LATIN = "[0-9A-Za-z０-９Ａ-Ｚａ-ｚ]"
_WIDE = re.compile(f"[{_FOLDED}]").findall
SIGNS = _FOLDED + "．"
"""A text without any of these stays as it is."""
_POINT = re.compile(f"．(?={_LATIN})|(?<={_LATIN})．")


def width(text: str) -> str:
    """Fold full-width ASCII: `０．１２５ｇ` becomes `0.125g`."""
    for wide in set(_WIDE(text)):
        text = text.replace(wide, chr(ord(wide) - 0xFEE0))
    return _POINT.sub(".", text) if "．" in text else text
