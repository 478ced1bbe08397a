"""Plug-in finders: other packages' recognisers, by entry point (group `chimed.finders`).

A finder is a function `find(text) -> [(start, end, type)]`, offsets in characters, types in upper case. Its NAME spans
pass the name guard, unless the function says `guarded = False`. Packages under licences that this project cannot depend
on, and models, come in by this door.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from chimed.errors import ChimedError, UsageError
from chimed.privacy.names import plausible
from chimed.privacy.spans import Span, fold

GROUP = "chimed.finders"
_PRIORITY = 50
_TYPE = re.compile(r"[A-Z][A-Z0-9_]{1,30}")

FindFunction = Callable[[str], Iterable[tuple[int, int, str]]]


@dataclass(frozen=True)
class Finder:
    """A plug-in finder: its name, the package it came from, its function, and whether the name guard checks it."""

    name: str
    package: str
    find: FindFunction
    guarded: bool = True

    def spans(self, text: str) -> list[Span]:
        """The finder's spans in a text. Raises ChimedError, naming the plug-in, where it fails or answers nonsense."""
        try:
            found = [(int(start), int(end), str(kind)) for start, end, kind in self.find(text)]
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything; unmasked text must not pass silently
            raise ChimedError(
                f"finder {self.name} (package {self.package}) failed: {type(error).__name__}. Mend or uninstall it."
            ) from error
        for start, end, kind in found:
            if not (0 <= start < end <= len(text) and _TYPE.fullmatch(kind)):
                raise ChimedError(
                    f"finder {self.name} (package {self.package}) gave the span ({start}, {end}, {kind!r}) for a text of "
                    f"{len(text)} characters. Spans lie inside the text and types are upper case."
                )
        folded = fold(text)
        return [
            Span(start, end, kind, _PRIORITY)
            for start, end, kind in found
            if kind != "NAME" or not self.guarded or plausible(folded[start:end])
        ]


def _load(entry: EntryPoint) -> Finder | None:
    package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown"
    try:
        function = entry.load()
    except Exception as error:  # noqa: BLE001 - one broken plug-in must not stop the others
        warnings.warn(f"finder {entry.name} of {package} cannot be loaded: {error}. It is left out.", stacklevel=3)
        return None
    if not callable(function):
        warnings.warn(f"finder {entry.name} of {package} is no function. It is left out.", stacklevel=3)
        return None
    return Finder(entry.name, package, function, bool(getattr(function, "guarded", True)))


def installed() -> tuple[Finder, ...]:
    """The finders of all installed packages, by name; a broken one is a warning that names it.

    Raises UsageError where two packages offer one name.
    """
    found: dict[str, Finder] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda e: (e.name, e.dist.name if e.dist else "")):
        finder = _load(entry)
        if finder is None:
            continue
        if finder.name in found:
            other = found[finder.name].package
            raise UsageError(
                f"two packages offer the finder '{finder.name}': {other} and {finder.package}. Uninstall one."
            )
        found[finder.name] = finder
    return tuple(found.values())
