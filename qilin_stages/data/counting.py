"""What a plan must know of the data: exact counts with a tokenizer (cached), or an estimate from characters."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from qilin_stages.data.cache import Progress, prepare
from qilin_stages.data.packing import spans
from qilin_stages.data.split import Data
from qilin_stages.data.template import TEMPLATES, Tokenizer
from qilin_stages.data.tokens import Preparation, tokenise

SAMPLED = 500


class Characters(Tokenizer):
    """A stand-in that counts characters instead of tokens, with a template of three tokens around every message."""

    def __init__(self, per_token: float) -> None:
        template = (TEMPLATES / "chatml.jinja").read_text(encoding="utf-8")
        super().__init__(Path("characters"), None, {"eos_token": "", "pad_token": ""}, template)
        self.per_token = per_token

    @property
    def eos(self) -> int:
        """Any id."""
        return 0

    def encode(self, texts: list[str]) -> list[list[int]]:
        """As many ids as the text has tokens, about."""
        return [list(range(math.ceil(len(text) / self.per_token))) for text in texts]

    def encode_template(self, text: str) -> tuple[int, ...]:
        """One id per special token, line break and role name."""
        return (1,) * max(1, text.count("<|") * 2 + text.count("\n"))

    def _special(self, ids: tuple[int, ...]) -> bool:
        """Its one template ends answers as it should."""
        return True


def exact(data: Data, tok: Tokenizer, how: Preparation, progress: Progress = lambda *_: None) -> dict[str, int]:
    """Counts of the prepared rows; the preparation itself lands in the cache, so that the run finds it."""
    return prepare(data, tok, how, progress).counts


def estimated(data: Data, how: Preparation, per_token: float) -> dict[str, int]:
    """Counts scaled up from the first rows of every shard, with characters for tokens."""
    tok, rows = Characters(per_token), 0
    lengths: list[int] = []
    counted = dict.fromkeys(("supervised", "tokens", "cut_rows", "cut_tokens", "dropped_turns"), 0)
    for batch in _samples(data):
        for row in tokenise(tok, batch, how):
            rows += 1
            _count(row, counted, lengths)
    total = data.rows()
    packed = len(lengths) if how.split == "dpo" or how.seq2seq else len(spans(lengths, how.block, how.packing))
    scaled = {name: round(value * total / max(rows, 1)) for name, value in {**counted, "sequences": packed}.items()}
    longest = how.block if how.packing != "none" else max(lengths, default=0)
    return {**scaled, "rows": total, "longest": min(longest, max(sum(lengths), 1)), "empty_rows": 0}


def _samples(data: Data) -> Any:
    from chimed.release import Release

    release: Release = data.release
    for shard in release.shards():
        source = shard.parent.name
        batch = next(release.batches(source=source))
        yield batch.slice(0, SAMPLED).to_pydict()


def _count(row: dict[str, Any], counted: dict[str, int], lengths: list[int]) -> None:
    if "prompt" in row:
        replies = len(row["chosen"]) + len(row["rejected"])
        lengths.append(len(row["prompt"]) + max(len(row["chosen"]), len(row["rejected"])))
        tokens, supervised = 2 * len(row["prompt"]) + replies, replies
    else:
        lengths.append(len(row["input_ids"]))
        tokens, supervised = len(row["input_ids"]), sum(label != -100 for label in row["labels"])
    counted["tokens"] += tokens
    counted["supervised"] += supervised
    counted["cut_rows"] += bool(row["lost"] or row["dropped"])
    counted["cut_tokens"] += row["lost"]
    counted["dropped_turns"] += row["dropped"]
