r"""What a rule is, and the fragments that rules are made of.

All patterns run on the folded text (chimed.privacy.spans) and look around themselves in ASCII. `\b`, `\w` and `\d` are
never used: the first two count Chinese characters as word characters, the third takes digits of other scripts.
A rule replaces its groups `v` (and `w`), or its whole match where it has none.

The re module skips to a class of first characters at full speed and tries everything else at every place. So a rule
that begins otherwise (with a look-around, a choice of classes) names a `start`: a quick pattern that begins with a class
and holds wherever the rule does. It only saves time; a test compares the rules with and without.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from chimed.privacy.clues import Clue
from chimed.privacy.spans import Span

Match = re.Match[str]

L, R = r"(?<![0-9A-Za-z])", r"(?![0-9A-Za-z])"
S = r"[ \t]*"
# Between a cue and its value: 号, a closing bracket or a remark, 是, a colon or a stroke, an opening bracket.
_REMARK = rf"[\])】」”]?{S}(?:\([^()\n0-9]{{0,8}}\))?"
_JOIN = (
    rf"(?:就?是|为|即|改为|改成了?|换成了?|变更为)?了?{S}[:=|~—#-]{{0,2}}{S}(?:[【「“\"'\[]|\((?!0[0-9]{{2,3}}\)))?{S}"
)
_NUMBER_WORD = r"(?:号码|编号|编码|代码|号|码|ID|id|NO\.?|No\.?)"
IS = rf"{S}{_NUMBER_WORD}?{S}{_REMARK}{S}{_JOIN}"
# The same, with 号 or at least a colon.
STRONG_IS = rf"{S}(?:{_NUMBER_WORD}{S}{_REMARK}{S}{_JOIN}|{_REMARK}{S}[:=]{S}(?:[【「“\"'\[(])?{S})"
DASH = r"[-—–―‐－ ]"
YEAR = r"(?:19|20)[0-9]{2}"
MONTH = r"(?:0?[1-9]|1[0-2])"
DAY = r"(?:0?[1-9]|[12][0-9]|3[01])"
MOBILE = r"1[3-9][0-9](?:[- ]?[0-9]{4}){2}"

DIGIT, LETTER = 1, 2
DIGITS = frozenset("0123456789０１２３４５６７８９")
LETTERS = frozenset(chr(start + i) for start in (0x41, 0x61, 0xFF21, 0xFF41) for i in range(26))


@dataclass(frozen=True)
class Rule:
    """One pattern: the type it finds, its priority in an overlap, and a check on the match."""

    type: str
    priority: int
    pattern: re.Pattern[str]
    accept: Callable[[Match], bool] | None
    groups: tuple[str | int, ...]
    start: re.Pattern[str] | None = None

    def spans(self, folded: str) -> Iterator[Span]:
        """What the rule finds in a folded text."""
        for match in matches(self.pattern, self.start, folded):
            if self.accept is None or self.accept(match):
                for group in self.groups:
                    start, end = match.span(group)
                    if start >= 0:
                        yield Span(start, end, self.type, self.priority)


def matches(pattern: re.Pattern[str], start: re.Pattern[str] | None, folded: str) -> Iterator[Match]:
    """What `finditer` gives, tried only where `start` holds; a match is never empty."""
    if start is None:
        yield from pattern.finditer(folded)
        return
    at = 0
    while candidate := start.search(folded, at):
        match = pattern.match(folded, candidate.start())
        at = match.end() if match else candidate.start() + 1
        if match:
            yield match


@dataclass(frozen=True)
class Group:
    """Rules with one gate: kinds of characters that must be there, one of some characters, a look at the raw text.

    `clues` are more that a text must hold: without them the rules could be tried, but none of them would match.
    """

    kinds: int
    characters: frozenset[str]
    gate: Callable[[str], object]
    rules: tuple[Rule, ...]
    clues: tuple[Clue, ...] = ()


def rule(
    type: str,
    priority: int,
    pattern: str,
    accept: Callable[[Match], bool] | None = None,
    start: str | None = None,
) -> Rule:
    """A rule from the text of its pattern."""
    compiled = re.compile(pattern)
    groups = tuple(name for name in ("v", "w") if name in compiled.groupindex)
    return Rule(type, priority, compiled, accept, groups or (0,), re.compile(start) if start else None)


def value(match: Match) -> str:
    """What a match would replace."""
    return match["v"] if "v" in match.re.groupindex else match[0]


def words(listed: str, *spaced: str) -> Callable[[str], object]:
    """A gate: whether one of the words is in the text.

    One scan for the last characters of all words, which then look back: ten times as fast as a search for each word.
    """
    wanted = (*listed.split(), *spaced)
    widths = sorted({len(word) for word in wanted})
    backwards = "|".join(f"(?<={'|'.join(re.escape(w) for w in wanted if len(w) == width)})" for width in widths)
    ends = "".join(sorted({word[-1] for word in wanted}))
    return re.compile(f"[{re.escape(ends)}](?:{backwards})").search
