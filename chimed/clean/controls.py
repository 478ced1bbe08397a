"""Characters that no reader sees: controls, zero-width characters, byte order marks, soft hyphens.

Invisible format characters are taken out: what is seen stays as it is seen, numbers included. A control character is
seen as a gap by some programs and as nothing by others, so between two visible ASCII characters (a number, a Latin
word) it leaves a space; line separators of all kinds become a newline. The joiner inside an emoji stays.
"""

from __future__ import annotations

import re

_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_VISIBLE = "[!-~\uff01-\uff5e]"
_CONTROL = "[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f]"
_BETWEEN = re.compile(f"(?<={_VISIBLE}){_CONTROL}+(?={_VISIBLE})")
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u180e\u200b\u200c\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffc\ufffe\uffff]|\u200d(?![\u2600-\u27bf\U0001f000-\U0001faff])"
)
_RANGES = (
    (0, 8), (0xB, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x180E, 0x180E), (0x200B, 0x200F),
    (0x2028, 0x202E), (0x2060, 0x206F), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFC), (0xFFFE, 0xFFFF),
)  # fmt: skip
SIGNS = "".join(chr(code) for low, high in _RANGES for code in range(low, high + 1))
"""A text without any of these stays as it is."""
_ANY = re.compile(f"[{re.escape(SIGNS)}]")


def controls(text: str) -> str:
    """Remove what cannot be seen; carriage returns and other line ends become a newline."""
    if not _ANY.search(text):
        return text
    text = _LINE_ENDS.sub("\n", text)
    while (joined := _UNSEEN.sub("", _BETWEEN.sub(" ", text))) != text:
        text = joined
    return text
