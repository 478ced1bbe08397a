"""Readers: how the files of a source become rows, in bounded memory and a fixed order."""

from chimed.readers.blocks import Blocks
from chimed.readers.columns import Columns
from chimed.readers.combined import Divided, Either, Sniffed, Together
from chimed.readers.delimited import Delimited
from chimed.readers.files import FirstOf
from chimed.readers.grouped import Grouped
from chimed.readers.json_rows import JsonRows
from chimed.readers.lines import Passages, TextLines
from chimed.readers.parquet_rows import ParquetRows
from chimed.readers.workbook import Workbook

__all__ = [
    "Blocks", "Columns", "Delimited", "Divided", "Either", "FirstOf", "Grouped", "JsonRows", "ParquetRows", "Passages",
    "Sniffed", "TextLines", "Together", "Workbook",
]  # fmt: skip
