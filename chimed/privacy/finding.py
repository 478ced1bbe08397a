"""find: all rules over one text. A few cheap looks decide which rules a text needs at all; most texts need none."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from chimed.privacy import circumstances, contacts, numbers
from chimed.privacy.names import NAME_GATES, names
from chimed.privacy.places import addresses
from chimed.privacy.protect import EXEMPT, overlaps, protected
from chimed.privacy.rules import DIGIT, DIGITS, LETTER, LETTERS, Rule
from chimed.privacy.spans import Span, fold, resolve

Profile = Literal["standard", "strict", "off"]
PROFILES: tuple[str, ...] = get_args(Profile)


@dataclass(frozen=True)
class Search:
    """What a search found: spans in order, and how many candidates protection or the name guard refused, by type."""

    spans: tuple[Span, ...]
    suppressed: dict[str, int]


NOTHING = Search((), {})
GROUPS = (*numbers.GROUPS, *contacts.GROUPS, *circumstances.GROUPS)
STRICT_GROUPS = (*GROUPS, *numbers.STRICT_GROUPS, *circumstances.STRICT_GROUPS)
_PLACE_ENDS = frozenset("路街道巷弄区园村寓苑同居住址籍")
_PLACE = re.compile(r"[路街道巷弄区园村寓苑同居住址籍](?:(?<=[居住址籍])|[\s东南西北中段]{0,3}[0-9０-９])").search

# One bit for digits, one for letters, then one for the characters of each gate: a text's bits are one look-up away.
_SETS = (DIGITS, LETTERS, _PLACE_ENDS, *(g[1] for g in NAME_GATES), *(g.characters for g in STRICT_GROUPS))
_PLACE_BIT, _NAME_BIT, _GROUP_BIT = 2, 3, 3 + len(NAME_GATES)


def _bits_of_characters() -> np.ndarray:
    table = np.zeros(0x10000, dtype=np.uint32)
    for bit, characters in enumerate(_SETS):
        table[[ord(c) for c in characters]] |= np.uint32(1 << bit)
    return table


_BITS = _bits_of_characters()
_NEEDS = [g.kinds & (DIGIT | LETTER) | 1 << _GROUP_BIT + i for i, g in enumerate(STRICT_GROUPS)]
_Gates = Sequence[tuple[int, Callable[[str], object], tuple[Rule, ...]]]
_STRICT_GATES: _Gates = [(need, g.gate, g.rules) for need, g in zip(_NEEDS, STRICT_GROUPS, strict=True)]
_GATES: _Gates = _STRICT_GATES[: len(GROUPS)]


@dataclass(frozen=True)
class Opened:
    """What a text may hold: rules to run, places of names (bits of names.py), whether addresses."""

    rules: list[Rule]
    names: int
    places: bool


def opened(text: str, strict: bool = False) -> Opened:
    """The rules that can find anything in a text."""
    codes = np.frombuffer(text.encode("utf-16-le", "surrogatepass"), dtype="<u2")
    bits = int(np.bitwise_or.reduce(_BITS[codes])) if len(codes) else 0
    rules: list[Rule] = []
    for need, gate, more in _STRICT_GATES if strict else _GATES:
        if bits & need == need and gate(text):
            rules += more
    where = 0
    for i, (place, _, look) in enumerate(NAME_GATES):
        if bits >> _NAME_BIT + i & 1 and look(text):
            where |= place
    return Opened(rules, where, bool(bits >> _PLACE_BIT & 1 and _PLACE(text)))


def search(text: str, profile: str = "standard", extra: list[Span] | None = None) -> Search:
    """Run the rules of a profile; `extra` are the spans of plug-ins. Medical numbers are protected (protect.py)."""
    needed = opened(text, profile == "strict")
    if not (needed.rules or needed.names or needed.places or extra):
        return NOTHING
    folded = fold(text)
    found = [span for rule in needed.rules for span in rule.spans(folded)] + (extra or [])
    spans, refused = names(folded, needed.names) if needed.names else ([], 0)
    found += spans
    if needed.places:
        found += [Span(start, end, "ADDRESS", 45) for start, end in addresses(folded)]
    if not (found or refused):
        return NOTHING
    return _unprotected(found, folded, {"NAME": refused} if refused else {})


def _unprotected(found: list[Span], folded: str, suppressed: dict[str, int]) -> Search:
    """The hits that touch no medical number, without overlaps."""
    areas = protected(folded) if found else []
    kept = []
    for span in found:
        if span.type not in EXEMPT and overlaps(span, areas):
            suppressed[span.type] = suppressed.get(span.type, 0) + 1
        else:
            kept.append(span)
    return Search(tuple(resolve(kept)), suppressed)


def find(text: str, profile: str = "standard") -> list[tuple[int, int, str]]:
    """Identifiers in a text as (start, end, type), offsets in characters of the text as given, without overlaps.

    Pure: no network, no model, no plug-in. Profile `strict` adds hospitals, all days, exact ages and 400/800 lines.
    """
    if profile == "off":
        return []
    return [(span.start, span.end, span.type) for span in search(text, profile).spans]
