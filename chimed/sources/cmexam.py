"""The Chinese national medical licensing examination, train and validation split; the test split is for evaluation."""

from __future__ import annotations

from chimed.readers import Delimited, FirstOf, JsonRows, Sniffed, Workbook
from chimed.readers.files import Patterns
from chimed.records import Choice
from chimed.source import Row, Source
from chimed.sources import choices

NOTICE = "CMExam is for academic research only: any commercial use is prohibited by its authors."
ADDRESS = "https://raw.githubusercontent.com/williamliujl/CMExam/HEAD/data/{}.csv"


def files(split: str, *other: str) -> FirstOf:
    """Where a split lies: upstream's csv, a copy of it, JSON Lines or a workbook."""
    names = [f"data/{split}.csv", *(f"{name}.{end}" for name in (split, *other) for end in ("csv", "json", "xlsx"))]
    return FirstOf(tuple(names))


def reader(patterns: Patterns) -> Sniffed:
    """The reader of all layouts of CMExam."""
    return Sniffed(
        text=Delimited(patterns, choices.COLUMNS),
        json=JsonRows(patterns, layouts=choices.COLUMNS),
        workbook=Workbook(patterns, choices.COLUMNS),
    )


def parse(row: Row) -> Choice:
    """A question with its options; an explanation is kept where there is one."""
    return choices.parse(row.value)


source = Source(
    name="cmexam",
    home="https://github.com/williamliujl/CMExam",
    license="Apache-2.0",
    redistributable="notice",
    serves=frozenset({"cpt"}),
    kind="choice",
    domain="medical",
    reader=reader((files("train"), files("val", "valid"))),
    parse=parse,
    attribution="CMExam (Liu et al., 2023)",
    expected=61_308,
    paper={"cpt": ("61K", "49.3")},
    notice=NOTICE,
    addresses=(ADDRESS.format("train"), ADDRESS.format("val")),
)
