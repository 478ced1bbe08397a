"""Masker: replaces what the rules and plug-ins find, until nothing is left to find."""

from __future__ import annotations

from dataclasses import dataclass, field

from chimed.errors import UsageError
from chimed.privacy.finders import Finder, installed
from chimed.privacy.finding import NOTHING, PROFILES, Search, search
from chimed.privacy.replacement import is_surrogate, replacement
from chimed.privacy.spans import Span, fold

# A replacement can bring two pieces of text together that read as an identifier only then; one more round is enough
# in practice, the bound keeps a finder that loves placeholders from running for ever.
_ROUNDS = 5


@dataclass(frozen=True)
class Masked:
    """A masked text, the number of replacements by type, and the hits that protection or the name guard refused."""

    text: str
    counts: dict[str, int] = field(default_factory=dict)
    suppressed: dict[str, int] = field(default_factory=dict)


def _add(counts: dict[str, int], more: dict[str, int]) -> dict[str, int]:
    return {name: counts.get(name, 0) + more.get(name, 0) for name in sorted({*counts, *more})}


@dataclass(frozen=True)
class Masker:
    """Rule-based masking of personal identifiers; deterministic, idempotent, without network or model.

    `profile` is standard, strict (also hospitals, all days, exact ages, 400/800 lines) or off. With `surrogate_key`
    equal values get equal surrogates instead of placeholders. `finders` are plug-ins, by default all installed ones.
    Raises UsageError for an unknown profile.
    """

    profile: str = "standard"
    surrogate_key: bytes | None = field(default=None, repr=False)
    finders: tuple[Finder, ...] | None = None

    def __post_init__(self) -> None:
        """Check the profile and look up the plug-ins once."""
        if self.profile not in PROFILES:
            raise UsageError(f"there is no masking profile '{self.profile}'; there are: {', '.join(PROFILES)}.")
        if self.finders is None:
            object.__setattr__(self, "finders", () if self.profile == "off" else installed())

    def mask(self, text: str) -> Masked:
        """The text with its identifiers replaced; everything else is as it was, character for character."""
        if self.profile == "off":
            return Masked(text)
        counts: dict[str, int] = {}
        suppressed: dict[str, int] | None = None
        extra = [span for finder in self.finders or () for span in finder.spans(text)]
        for _ in range(_ROUNDS):
            found = search(text, self.profile, extra)
            if found is NOTHING:
                break
            suppressed = found.suppressed if suppressed is None else suppressed
            spans = self._new(text, found)
            if not spans:
                break
            text = self._replace(text, spans)
            for span in spans:
                counts = _add(counts, {span.type: 1})
            extra = []
        return Masked(text, counts, suppressed or {})

    def _new(self, text: str, found: Search) -> list[Span]:
        return [span for span in found.spans if not is_surrogate(fold(text[span.start : span.end]))]

    def _replace(self, text: str, spans: list[Span]) -> str:
        parts, position = [], 0
        for span in spans:
            value = text[span.start : span.end]
            parts += [text[position : span.start], replacement(span.type, value, self.surrogate_key)]
            position = span.end
        return "".join([*parts, text[position:]])
