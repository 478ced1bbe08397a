"""The ledger: every upstream row is kept, lost for a reason of the closed list, or sampled away by the recipe.

read = kept + lost + sampled for every source, or the build fails. Counts are of upstream rows (a graph triple, a
textbook line); `records` counts published rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from chimed.errors import DataError
from chimed.records import REASONS


@dataclass
class Account:
    """The rows of one source on their way; `read` is counted by the reader, the rest where rows end up."""

    source: str
    read: int = 0
    kept: int = 0
    records: int = 0
    sampled: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    repairs: Counter[str] = field(default_factory=Counter)

    def lose(self, reason: str, rows: int = 1) -> None:
        """Book lost rows. Raises DataError for a reason outside the closed list."""
        if reason not in REASONS:
            raise DataError(f"{self.source}: the reason {reason!r} is not in the closed list: {', '.join(REASONS)}.")
        self.lost[reason] += rows

    def close(self) -> None:
        """Refuse to close unless every row read is accounted for.

        Raises DataError with the figures.
        """
        booked = self.kept + self.sampled + sum(self.lost.values())
        if booked != self.read:
            raise DataError(
                f"{self.source}: the ledger does not close: read {self.read}, but kept {self.kept} + lost "
                f"{sum(self.lost.values())} + sampled {self.sampled} = {booked}. "
                "No manifest was written; please report it."
            )

    def summary(self) -> dict[str, object]:
        """The contract's JSON shape: source, read, kept, records, lost by reason."""
        return {
            "source": self.source, "read": self.read, "kept": self.kept, "records": self.records,
            "lost": ordered(self.lost),
        }  # fmt: skip


def ordered(lost: Counter[str]) -> dict[str, int]:
    """Losses in the order of the closed list, so that equal ledgers are equal text."""
    return {reason: lost[reason] for reason in REASONS if lost[reason]}


def total(accounts: Iterable[Account]) -> Account:
    """All accounts in one, under the name `all`."""
    result = Account("all")
    for account in accounts:
        result.read += account.read
        result.kept += account.kept
        result.records += account.records
        result.sampled += account.sampled
        result.lost += account.lost
        result.repairs += account.repairs
    return result
