"""Anyone's file as a table: JSON Lines, Parquet and plain text (a row is a line, its column is `text`).

Rows come in the order of the files and of the rows in them. Reading is streaming: what is held is one batch (about
8 MB of text, or one row where that is larger). Written files appear under their name only when they are complete.
"""

from chimed.anyfile.compared import read_ids, read_texts, require_text
from chimed.anyfile.kinds import kind_of
from chimed.anyfile.rows import read_table
from chimed.anyfile.writing import DROP, filter_rows, rewrite, write_table

__all__ = [
    "DROP",
    "filter_rows",
    "kind_of",
    "read_ids",
    "read_table",
    "read_texts",
    "require_text",
    "rewrite",
    "write_table",
]
