"""The questions of CMExam's train split that have an explanation, as instructions."""

from __future__ import annotations

from chimed.records import Choice
from chimed.source import Row, Skip, Source
from chimed.sources import choices, cmexam


def parse(row: Row) -> Choice:
    """A question with its explanation; without one `no_explanation`, with upstream's stand-in `placeholder`."""
    record = choices.parse(row.value)
    if not record.explanation:
        raise Skip("no_explanation", "the explanation is empty")
    if record.explanation == choices.PLACEHOLDER:
        raise Skip("placeholder", choices.PLACEHOLDER)
    return record


source = Source(
    name="cmexam_explanation",
    home="https://github.com/williamliujl/CMExam",
    license="Apache-2.0",
    redistributable="notice",
    serves=frozenset({"sft"}),
    kind="choice",
    domain="medical",
    reader=cmexam.reader((cmexam.files("train"),)),
    parse=parse,
    attribution="CMExam (Liu et al., 2023)",
    folder="cmexam",
    expected=54_497,
    paper={"sft": ("46K", "45.2")},
    notice=cmexam.NOTICE,
    addresses=(cmexam.ADDRESS.format("train"),),
)
