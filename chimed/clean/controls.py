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
_ANY = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffc"
    "\ufffe\uffff]"
)


def controls(text: str) -> str:
    """Remove what cannot be seen; carriage returns and other line ends become a newline."""
    if not _ANY.search(text):
        return text
    text = _LINE_ENDS.sub("\n", text)
    while (joined := _UNSEEN.sub("", _BETWEEN.sub(" ", text))) != text:
        text = joined
    return text
