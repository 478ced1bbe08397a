"""White space: exotic blanks, trailing blanks, runs of blank lines.

The indentation of a line stays when it is made of plain spaces or tabs (program text, lists); the wide blanks that open
a Chinese paragraph go. Runs of blanks inside a line become one, except in tables (a line with `|` or a tab) and in
fenced text. No blank is ever taken out whole between two characters, so `5 mg` and `1 000` stay what they are.
"""

from __future__ import annotations

import re

_BLANK = "\xa0\u1680\u2000-\u200a\u202f\u205f\u3000"
_EXOTIC = re.compile(f"[{_BLANK}]")
_OPENING = re.compile(f"^[ \t]*[{_BLANK}][ \t{_BLANK}]*", re.MULTILINE)
_TRAILING = re.compile(r"[ \t]+$", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n{3,}")
_INSIDE = re.compile(r"(?<=\S) {2,}")
_OUTER = " \t\n"
_NARROW = (" \n", "\t\n", "\n\n\n", "  ")
SIGNS = "".join(c for c in map(chr, range(0x3001)) if _EXOTIC.match(c))
"""A text without any of these, that is not `uneven` either, stays as it is."""


def uneven(text: str) -> bool:
    """Whether plain blanks and newlines stand at an end, or where the step could take some away."""
    return text[:1] in _OUTER or text[-1:] in _OUTER or any(blanks in text for blanks in _NARROW)


def spaces(text: str) -> str:
    """Tidy white space without joining or splitting anything."""
    if _EXOTIC.search(text):
        text = _EXOTIC.sub(" ", _OPENING.sub("", text))
    text = text.strip(_OUTER)
    if " \n" in text or "\t\n" in text:
        text = _TRAILING.sub("", text)
    if "\n\n\n" in text:
        text = _BLANK_LINES.sub("\n\n", text)
    if "  " in text and "```" not in text:
        text = "\n".join(map(_single, text.split("\n")))
    return text


def _single(line: str) -> str:
    return line if "|" in line or "\t" in line else _INSIDE.sub(" ", line)
