"""HTML entities and tags that web pages left in the text.

Only names that HTML knows are touched, so `<0.5`, `<5mg`, `a<b` and `P<0.05` come out as they went in; the tags of one
letter (`<b>`, `<p>`) must be closed somewhere or carry an attribute, because `<p>` may be a comparison.
A tag between two digits stays: taking it out would make a new number. `10<sup>9</sup>` becomes `10^9`, never `109`.
"""

from __future__ import annotations

import re
import unicodedata
from html import unescape
from html.entities import html5

SIGNS = "&<"
"""A text without any of these stays as it is."""
_ENTITY = re.compile(r"&(?:amp;)*(#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});|&nbsp(?![a-zA-Z0-9;])")
_COMMENT = re.compile(r"<!--(?:(?!-->)[^0-9０-９]){0,2000}-->")  # one that holds a number stays
_BREAKS = frozenset("br p div li ul ol dl dt dd tr table thead tbody tfoot hr h1 h2 h3 h4 h5 h6 center".split())
_CELLS = frozenset({"td", "th"})
_INLINE = frozenset("a b i u s em strong span font small big ins del mark label img nobr sub sup o:p".split())
_NAMES = "|".join(sorted(_BREAKS | _CELLS | _INLINE, key=lambda name: (-len(name), name)))
# An attribute has a value: `a<b 且 c>d` holds no tag.
_VALUES = r"""(?:\s+[\w:.-]{1,40}\s*=\s*(?:"[^"<>]{0,500}"|'[^'<>]{0,500}'|[^\s"'<>]{1,200}))*"""
_TAG = re.compile(rf"<(/?)({_NAMES})({_VALUES})\s*/?>", re.I)
_TAGS = re.compile(rf"(?:</?(?:{_NAMES}){_VALUES}\s*/?>)+", re.I)
_RAISED = re.compile(r"<(sup|sub)>\s*([^<>\n]{1,12}?)\s*</\1>", re.I)
_HIGH = str.maketrans("0123456789+-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")
_LOW = str.maketrans("0123456789+-−", "₀₁₂₃₄₅₆₇₈₉₊₋₋")


def markup(text: str) -> str:
    """Decode entities, turn `<br>` and its like into newlines, and take other known tags out."""
    while True:
        before = text
        if "&" in text:
            text = _ENTITY.sub(_decode, text)
        if "<" in text and ">" in text:
            text = _RAISED.sub(_raise, _COMMENT.sub("", text))
            text = _TAGS.sub(_remove, text)
        if text == before:
            return text


def _decode(found: re.Match[str]) -> str:
    name = found[1]
    if name is None:
        return " "
    if name[0] != "#" and f"{name};" not in html5:
        return found[0]
    sign = unescape(f"&{name};")
    if not sign or "\ufffd" in sign:
        return found[0]
    if unicodedata.category(sign[0]) in {"Cc", "Cf"}:
        return "\n" if sign in "\r\n" else "" if unicodedata.category(sign) == "Cf" else " "
    return sign


def _raise(found: re.Match[str]) -> str:
    inner = found[2]
    left = found.string[found.start() - 1 : found.start()]
    right = found.string[found.end() : found.end() + 1]
    if found[1].lower() == "sup":
        if left.isdigit():
            return f"^{inner}"
        return inner.translate(_HIGH) if inner.strip("0123456789+-−") == "" else inner
    apart = inner.strip("0123456789+-−") == "" and (left.isdigit() or right.isdigit())
    return inner.translate(_LOW) if apart else inner


def _remove(found: re.Match[str]) -> str:
    whole = found.string
    tags = list(_TAG.finditer(found[0]))
    if any(_may_be_a_comparison(tag, whole) for tag in tags):
        return found[0]
    names = {tag[2].lower() for tag in tags}
    if names & _BREAKS:
        return "\n"
    if names & _CELLS:
        return " "
    left, right = whole[found.start() - 1 : found.start()], whole[found.end() : found.end() + 1]
    return found[0] if _numeric(left) and _numeric(right) else ""


def _numeric(sign: str) -> bool:
    return sign.isdigit() or (sign != "" and sign in ".,．，%")


def _may_be_a_comparison(tag: re.Match[str], whole: str) -> bool:
    name = tag[2].lower()
    return len(name) == 1 and not tag[1] and "=" not in tag[3] and f"</{name}>" not in whole.lower()
