"""find: all rules over one text. A few cheap looks decide which rules a text needs at all; most texts need none."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from chimed.privacy import circumstances, contacts, numbers
from chimed.privacy.clues import Bits, Clue
from chimed.privacy.name_gates import NAME_GATES
from chimed.privacy.names import names
from chimed.privacy.places import PLACE_CLUES, addresses
from chimed.privacy.protect import EXEMPT, overlaps, protected
from chimed.privacy.rules import DIGIT, DIGITS, LETTER, LETTERS, Group, Rule
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


def _clues(group: Group) -> tuple[Clue, ...]:
    kinds = [known for kind, known in ((DIGIT, DIGITS), (LETTER, LETTERS)) if group.kinds & kind]
    return (*kinds, group.characters, *group.clues)


_NAME_CLUES = [clue for *_, clues in NAME_GATES for clue in clues]
_PLACE_CLUES = [clue for _, clue in PLACE_CLUES]
_GROUP_CLUES = [clue for group in STRICT_GROUPS for clue in _clues(group)]
_BITS = Bits([*_GROUP_CLUES, *_NAME_CLUES, *(gate[1] for gate in NAME_GATES), *_PLACE_CLUES, _PLACE_ENDS])
_NEEDS = [(_BITS.need(_clues(group)), group.gate, group.rules) for group in STRICT_GROUPS]
_NAME_NEEDS = [(_BITS.need((signs, *clues)), gate, place) for place, signs, gate, clues in NAME_GATES]
_PLACE_NEEDS = [(_BITS.need((_PLACE_ENDS, clue)), place) for place, clue in PLACE_CLUES]
# A text with none of these bits is done: everything that a profile looks for needs one of them.
_STANDARD_SIGNS = _BITS.need([*(clue for group in GROUPS for clue in group.clues), *_NAME_CLUES, *_PLACE_CLUES])
_STANDARD = (_STANDARD_SIGNS, _NEEDS[: len(GROUPS)])
_STRICT = (_STANDARD_SIGNS | _BITS.need(g.characters for g in STRICT_GROUPS[len(GROUPS) :]), _NEEDS)


@dataclass(frozen=True)
class Opened:
    """What a text may hold: rules to run, places of names (bits of name_gates.py) and of addresses (bits of places.py)."""

    rules: list[Rule]
    names: int
    places: int


CLOSED = Opened([], 0, 0)


def opened(text: str, strict: bool = False) -> Opened:
    """The rules that can find anything in a text; CLOSED itself where none can."""
    signs, groups = _STRICT if strict else _STANDARD
    bits = _BITS.of(text)
    if not bits & signs:
        return CLOSED
    rules = [rule for need, gate, more in groups if bits & need == need and gate(text) for rule in more]
    where = sum(place for need, gate, place in _NAME_NEEDS if bits & need == need and gate(text))
    places = sum(place for need, place in _PLACE_NEEDS if bits & need == need)
    places = places if places and _PLACE(text) else 0
    return Opened(rules, where, places) if rules or where or places else CLOSED


def search(text: str, profile: str = "standard", extra: list[Span] | None = None) -> Search:
    """Run the rules of a profile; `extra` are the spans of plug-ins. Medical numbers are protected (protect.py)."""
    needed = opened(text, profile == "strict")
    if needed is CLOSED and not extra:
        return NOTHING
    folded = fold(text)
    found = [span for rule in needed.rules for span in rule.spans(folded)] + (extra or [])
    spans, refused = names(folded, needed.names) if needed.names else ([], 0)
    found += spans
    found += [Span(start, end, "ADDRESS", 45) for start, end in addresses(folded, needed.places)]
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
