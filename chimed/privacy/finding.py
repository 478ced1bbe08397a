"""find: all rules over one text. A few cheap looks decide which rules a text needs at all; most texts need none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from chimed.privacy import circumstances, contacts, numbers
from chimed.privacy.names import may_name, names
from chimed.privacy.places import addresses
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

# By the kinds of characters that a text has (bits DIGIT, LETTER): test of the characters, gate, rules.
_Gates = tuple[tuple[Callable[[Iterable[str]], bool], Callable[[str], object], tuple[Rule, ...]], ...]


def _by_kinds(groups: tuple[Group, ...]) -> tuple[_Gates, ...]:
    return tuple(
        tuple((g.characters.isdisjoint, g.gate, g.rules) for g in groups if g.kinds & ~kinds == 0) for kinds in range(4)
    )


_GATES, _STRICT_GATES = _by_kinds(GROUPS), _by_kinds(STRICT_GROUPS)

_PLACE_ENDS = frozenset("路街道巷弄区园村寓苑同居住址籍")
_PLACE = re.compile(r"[路街道巷弄区园村寓苑同居住址籍](?:(?<=[居住址籍])|[\s东南西北中段]{0,3}[0-9０-９])")


def _may_place(text: str, present: set[str]) -> bool:
    return not _PLACE_ENDS.isdisjoint(present) and bool(_PLACE.search(text))


def _open(text: str, present: set[str], gates: tuple[_Gates, ...]) -> list[Rule]:
    """The rules that can find anything in the text."""
    kinds = (0 if DIGITS.isdisjoint(present) else DIGIT) | (0 if LETTERS.isdisjoint(present) else LETTER)
    opened: list[Rule] = []
    for lacks, gate, rules in gates[kinds]:
        if not lacks(present) and gate(text):
            opened += rules
    return opened


def search(text: str, profile: str = "standard", extra: list[Span] | None = None) -> Search:
    """Run the rules of a profile; `extra` are the spans of plug-ins. Medical numbers are protected (protect.py)."""
    present = set(text)
    rules = _open(text, present, _STRICT_GATES if profile == "strict" else _GATES)
    where, place = may_name(text, present), _may_place(text, present)
    if not (rules or where or place or extra):
        return NOTHING
    folded = fold(text, present)
    found = [span for rule in rules for span in rule.spans(folded)] + (extra or [])
    spans, refused = names(folded, where) if where else ([], 0)
    found += spans
    if place:
        found += [Span(start, end, "ADDRESS", 45) for start, end in addresses(folded)]
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
