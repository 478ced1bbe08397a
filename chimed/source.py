"""A source is a value: what a data set is called, whose it is, which files it has and what a row becomes.

Built-in and third-party sources come in by the same road, the entry-point group `chimed.sources`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from chimed.records import Domain, Kind, Record, Split

Redistributable = Literal["yes", "no", "notice", "GPL", "SA", "NC"]


class Skip(Exception):
    """Raised by `parse` to lose a row: `Skip("empty_answer")`. The reason is one of `records.PARSE_REASONS`."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True, slots=True)
class Row:
    """One upstream row, or several that a reader joined (`rows`, then `key` is what they share).

    `file` is relative to the source's folder (posix, as on disk), `position` the 1-based number of the first row in
    its file, counting every row read, the faulty ones too. `value` is what `parse` gets.
    """

    file: str
    position: int
    value: Any
    rows: int = 1
    key: str | None = None


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that the reader itself could not take; it is lost under `reason`, `raw` says what stood there."""

    file: str
    position: int
    reason: str
    detail: str
    raw: bytes
    rows: int = 1


class Reader(Protocol):
    """Finds the files of a source and reads their rows in a fixed order, in bounded memory.

    `find` returns the files that are read, sorted, relative to `folder` (an absent source gives none); `read` yields
    their rows; a file that cannot be read as its kind at all raises DataError before its first row (design ruling 6).
    `raw` gives back the upstream bytes of a row for `trace`.
    """

    def find(self, folder: Path) -> list[str]:
        """Files of this source in `folder`, sorted, relative; none where it is absent."""

    def read(self, folder: Path, files: Sequence[str]) -> Iterator[Row | BadRow]:
        """Rows in a fixed order, in bounded memory."""

    def raw(self, folder: Path, file: str, position: int) -> bytes:
        """Upstream bytes of the row at a position."""


@dataclass(frozen=True)
class Source:
    """One upstream data set.

    `folder` is where its files lie below `--from` (the name unless it shares another source's files), `expected` the
    upstream row count (a difference of more than one per cent is shown), `paper` rows and megabytes in the paper's
    Tables 1-3, `notice` a sentence that must stand on the card.
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
