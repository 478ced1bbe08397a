"""Chinese medical textbooks of MedQA, lines packed to passages of at most 2,048 characters; never to be published."""

from __future__ import annotations

from pathlib import Path

from chimed.readers import Either, FirstOf, JsonRows, Passages
from chimed.records import Passage
from chimed.source import Row, Source
from chimed.sources import huatuo

_BOOKS = ("data_clean/textbooks/zh_paragraph/*.txt", "textbooks/zh_paragraph/*.txt", "zh_paragraph/*.txt")
_LINES = ("pretrain/medical_book_zh.json", "medical_book_zh.json")


def parse(row: Row) -> Passage:
    """A passage with the title of its book (the file's name), or a `{"text"}` line."""
    if isinstance(row.value, str):
        return Passage(text=row.value, title=Path(row.file).stem)
    return huatuo.passage(row.value if isinstance(row.value, dict) else {"text": row.value})


source = Source(
    name="medqa_textbooks",
    home="https://github.com/jind11/MedQA",
    license="MIT (repository); text (c) the publishers",
    redistributable="no",
    serves=frozenset({"cpt"}),
    kind="passage",
    domain="medical",
    reader=Either(
        Passages((FirstOf(_BOOKS),), leave_out=("all_books.txt",)),
        JsonRows((FirstOf(_LINES),), layouts=(huatuo.TEXT,)),
    ),
    parse=parse,
    attribution="MedQA (Jin et al., 2020)",
    paper={"cpt": ("8K", "40.2")},
    notice="The text of the books belongs to their publishers and may not be republished.",
    obtain="Download the archive linked in the README of github.com/jind11/MedQA and unpack data_clean/ here.",
    row_unit="line",
)
