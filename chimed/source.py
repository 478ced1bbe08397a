"""A source is a value: what a data set is called, whose it is, which files it has and what a row becomes.

Built-in and third-party sources come in by the same road, the entry-point group `chimed.sources`.
"""

from __future__ import annotations

import fnmatch
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from chimed.errors import DataError, UsageError
from chimed.records import Domain, Kind, Record, Split

GROUP = "chimed.sources"

Redistributable = Literal["yes", "no", "notice", "GPL", "SA", "NC"]


class Skip(Exception):
    """Raised by `parse` to lose a row: `Skip("empty_answer")`. The reason is one of `records.PARSE_REASONS`."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


class Row(NamedTuple):
    """One upstream row, or several that a reader joined (`rows`, then `key` is what they share).

    `file` is relative to the source's folder (posix, as on disk), `position` the 1-based number of the first row in
    its file, counting every row read, the faulty ones too. `value` is what `parse` gets.
    """

    file: str
    position: int
    value: Any
    rows: int = 1
    key: str | None = None


class BadRow(NamedTuple):
    """A row that the reader itself could not take; it is lost under `reason`, `raw` says what stood there."""

    file: str
    position: int
    reason: str
    detail: str
    raw: bytes
    rows: int = 1


class Reader(Protocol):
    """Finds the files of a source and reads their rows in a fixed order, in bounded memory.

    `find` returns the files that are read, relative to `folder` (an absent source gives none); `faults` names those
    that cannot be read as their kind at all, and is asked of all sources before anything is written (design ruling 6);
    `read` yields their rows, and may take it that there was no fault. `raw` gives back the upstream bytes of a row.
    """

    def find(self, folder: Path) -> list[str]:
        """Files of this source in `folder`, sorted, relative; none where it is absent."""

    def faults(self, folder: Path, files: Sequence[str], root: Path | None = None) -> list[str]:
        """Which of the files cannot be read at all, and why, one sentence each; links may lead inside `root`."""

    def read(self, folder: Path, files: Sequence[str]) -> Iterator[Row | BadRow]:
        """Rows in a fixed order, in bounded memory."""

    def raw(self, folder: Path, file: str, position: int) -> bytes:
        """Upstream bytes of the row at a position."""


@dataclass(frozen=True)
class Source:
    """One upstream data set.

    `folder` is where its files lie below `--from` (the name unless it shares another source's files), `expected` the
    upstream row count (a difference of more than one per cent is shown), `paper` rows and megabytes in the paper's
    Tables 1-3, `notice` a sentence that must stand on the card. `options` are settings with their values, the first of
    which holds unless `configure` is called with another; `split_files` names the files of a split where they differ.
    """

    name: str
    home: str
    license: str
    redistributable: Redistributable
    serves: frozenset[Split]
    kind: Kind
    domain: Domain
    reader: Reader
    parse: Callable[[Row], Record]
    attribution: str
    folder: str = ""
    expected: int | None = None
    paper: dict[Split, tuple[str, str]] = field(default_factory=dict)
    notice: str = ""
    revision: str = ""
    addresses: tuple[str, ...] = ()
    obtain: str = ""
    only_when_named: bool = False
    row_unit: str = "row"
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    configure: Callable[..., Source] | None = None
    split_files: Mapping[Split, str] = field(default_factory=dict)

    def place(self, root: Path) -> Path:
        """The folder of its files below what the user gave as `--from`."""
        return root / (self.folder or self.name)

    def files(self, folder: Path, split: Split | None = None) -> list[str]:
        """Its files in its folder, relative and in reading order; those of one split where splits have their own."""
        pattern = self.split_files.get(split, "*") if split else "*"
        return [file for file in self.reader.find(folder) if fnmatch.fnmatchcase(file, pattern)]

    def with_options(self, chosen: Mapping[str, str]) -> Source:
        """The source with other settings; UsageError where a name or value is unknown."""
        for name, value in chosen.items():
            if name not in self.options:
                raise UsageError(f"{self.name} has no option {name!r}{_near(name, self.options)}.")
            if value not in self.options[name]:
                known = ", ".join(self.options[name])
                raise UsageError(f"{self.name}: {name} is {value!r}. Known are {known}.")
        return self.configure(**chosen) if chosen and self.configure else self


def unknown(name: str, known: Iterable[str]) -> UsageError:
    """The error for a name that no source has."""
    return UsageError(f"there is no source {name!r}{_near(name, known)}.")


def _near(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), 1)
    return f" (did you mean {close[0]!r}?)" if close else f"; it has: {', '.join(sorted(known)) or 'none'}"


def refuse_faults(sources: Iterable[tuple[Source, Path, Sequence[str]]], root: Path | None = None) -> None:
    """Raise one DataError that names every file that cannot be read at all (design ruling 6).

    `sources` are (source, its folder, its files); `root` is what the user gave as `--from` (links may lead inside it).
    """
    faults = [
        f"{source.name}, {fault}"
        for source, folder, files in sources
        for fault in source.reader.faults(folder, files, root)
    ]
    if faults:
        raise DataError("\n".join(faults))


def names() -> list[str]:
    """Names of all sources that installed packages offer, sorted; nothing is loaded."""
    return sorted(_offers())


def discover() -> dict[str, Source]:
    """All sources of the entry-point group `chimed.sources`, by name; a broken one is one warning that names it.

    UsageError where two packages offer one name.
    """
    found = {}
    for name, point in sorted(_offers().items()):
        try:
            found[name] = _loaded(point)
        except Exception as error:  # noqa: BLE001 - whatever a foreign package raises must not stop the others
            warnings.warn(
                f"the source {name!r} of {_package(point)} is broken: {error!r}. It is left out.", stacklevel=2
            )
    return found


def load(name: str) -> Source:
    """The source of this name, alone; UsageError where it is unknown, offered twice or broken."""
    offers = _offers()
    if name not in offers:
        raise unknown(name, offers)
    point = offers[name]
    try:
        return _loaded(point)
    except Exception as error:
        raise UsageError(f"the source {name!r} of {_package(point)} is broken: {error!r}.") from error


@cache
def _offers() -> dict[str, EntryPoint]:
    offers: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        other = offers.setdefault(point.name, point)
        if (other.value, _package(other)) != (point.value, _package(point)):
            packages = f"{_package(other)} and {_package(point)}"
            raise UsageError(f"two packages offer the source {point.name!r}: {packages}. Uninstall one.")
    return offers


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def _loaded(point: EntryPoint) -> Source:
    source = point.load()
    if not isinstance(source, Source):
        raise TypeError(f"{point.value} is no Source")
    if source.name != point.name:
        raise ValueError(f"{point.value} calls itself {source.name!r}")
    return source
