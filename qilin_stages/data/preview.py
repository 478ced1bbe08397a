"""Rows as a model will see them: decoded, what is learnt marked, what was cut said."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, islice
from typing import Any

from qilin_stages.data.cuts import IGNORED
from qilin_stages.data.split import Data
from qilin_stages.data.template import Tokenizer
from qilin_stages.data.tokens import Preparation, tokenise


def preview(data: Data, tok: Tokenizer, how: Preparation, count: int, marks: tuple[str, str]) -> Iterator[str]:
    """The first rows as text; what has a loss stands between the marks."""
    rows = (row for batch in data.batches() for row in tokenise(tok, _first(batch, count), how))
    for row in islice(rows, count):
        yield "\n".join([_head(row), *_sides(tok, row, marks)])


def _first(batch: dict[str, list[Any]], count: int) -> dict[str, list[Any]]:
    return {name: values[:count] for name, values in batch.items()}


def _head(row: dict[str, Any]) -> str:
    if "prompt" in row:
        size = f"prompt {len(row['prompt'])}, chosen {len(row['chosen'])}, rejected {len(row['rejected'])} tokens"
    else:
        learnt = sum(label != IGNORED for label in row["labels"])
        size = f"{len(row['input_ids'])} tokens, {learnt} learnt"
    return f"--- {row['id']}: {size}; {row['lost']} cut away, {row['dropped']} turns dropped"


def _sides(tok: Tokenizer, row: dict[str, Any], marks: tuple[str, str]) -> Iterator[str]:
    if "prompt" in row:
        yield tok.decode(row["prompt"])
        for side in ("chosen", "rejected"):
            yield f"{side}: {marks[0]}{tok.decode(row[side])}{marks[1]}"
        return
    if len(row["labels"]) != len(row["input_ids"]):
        yield tok.decode(row["input_ids"])
        yield f"{marks[0]}{tok.decode(row['labels'])}{marks[1]}"
        return
    text = ""
    pairs = zip(row["input_ids"], row["labels"], strict=True)
    for learnt, group in groupby(pairs, key=lambda pair: pair[1] != IGNORED):
        part = tok.decode([token for token, _ in group])
        text += f"{marks[0]}{part}{marks[1]}" if learnt else part
    yield text
