"""Published rows to token columns: one function per split, all in Arrow lists of int32."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from chimed.errors import DataError
from chimed.records import Split
from qilin_stages.data.cuts import IGNORED, cut_dialogue, cut_pair
from qilin_stages.data.packing import Packing
from qilin_stages.data.template import Tokenizer

Columns = dict[str, list[Any]]


@dataclass(frozen=True)
class Preparation:
    """How a stage prepares a split: lengths in tokens, how rows are packed, what stands between documents."""

    split: Split
    source: int = 256
    target: int = 256
    length: int = 512
    block: int = 1024
    packing: Packing = "bfd_split"
    separator: Literal["eos", "none"] = "eos"
    seq2seq: bool = False
    held_out: float = 0.0


def tokenise(tok: Tokenizer, batch: Columns, how: Preparation) -> Iterator[dict[str, Any]]:
    """Rows of a batch as `id, input_ids, labels` (dpo: `prompt, chosen, rejected`), and `lost`, `dropped` counts."""
    if how.split == "cpt":
        return _cpt(tok, batch, how)
    if how.split == "dpo":
        return _dpo(tok, batch, how)
    return _seq2seq(tok, batch, how) if how.seq2seq else _sft(tok, batch, how)


def _cpt(tok: Tokenizer, batch: Columns, how: Preparation) -> Iterator[dict[str, Any]]:
    end = [tok.eos] if how.separator == "eos" else []
    for name, ids in zip(batch["id"], tok.encode(batch["text"]), strict=True):
        whole = ids + end
        yield {"id": name, "input_ids": whole, "labels": whole, "lost": 0, "dropped": 0}


def _contents(tok: Tokenizer, conversations: list[list[dict[str, str]]]) -> Iterator[list[list[int]]]:
    """Ids of every message, encoded in one call per batch."""
    encoded = iter(tok.encode([message["content"] for messages in conversations for message in messages]))
    for messages in conversations:
        yield [next(encoded) for _ in messages]


def _sft(tok: Tokenizer, batch: Columns, how: Preparation) -> Iterator[dict[str, Any]]:
    for name, messages, contents in zip(batch["id"], batch["messages"], _contents(tok, batch["messages"]), strict=True):
        roles = tuple(message["role"] for message in messages)
        cut = cut_dialogue(tok, roles, contents, how.source, how.target, how.length)
        yield {"id": name, "input_ids": cut.ids, "labels": cut.labels, "lost": cut.lost, "dropped": cut.dropped}


def _seq2seq(tok: Tokenizer, batch: Columns, how: Preparation) -> Iterator[dict[str, Any]]:
    """All before the last answer is the encoder's (its end kept), the last answer the decoder's."""
    for name, contents in zip(batch["id"], _contents(tok, batch["messages"]), strict=True):
        before, answer = [token for content in contents[:-1] for token in content], contents[-1]
        lost = max(0, len(before) - how.source + 1) + max(0, len(answer) - how.target + 1)
        yield {"id": name, "input_ids": [*before[-(how.source - 1) :], tok.eos],
               "labels": [*answer[: how.target - 1], tok.eos], "lost": lost, "dropped": 0}  # fmt: skip


def _dpo(tok: Tokenizer, batch: Columns, how: Preparation) -> Iterator[dict[str, Any]]:
    replies = [[*chosen, *rejected] for chosen, rejected in zip(batch["chosen"], batch["rejected"], strict=True)]
    parts = zip(batch["id"], batch["prompt"], _contents(tok, batch["prompt"]), _contents(tok, replies), strict=True)
    for name, messages, contents, (chosen, rejected) in parts:
        roles = tuple(message["role"] for message in messages)
        pair = cut_pair(tok, roles, contents, chosen, rejected, how.source, how.target)
        yield {"id": name, "prompt": pair.prompt, "chosen": pair.chosen, "rejected": pair.rejected,
               "lost": pair.lost, "dropped": 0}  # fmt: skip


def learns(row: dict[str, Any]) -> bool:
    """Whether a row has anything to learn (a pair whose cut replies are equal has not)."""
    if "prompt" in row:
        return bool(row["chosen"] != row["rejected"])
    return any(label != IGNORED for label in row["labels"])


def refuse_all_cut(named: str, counts: dict[str, int], how: Preparation) -> None:
    """Refuse a preparation that leaves nothing to learn."""
    if not counts["rows"]:
        raise DataError(
            f"{named}: all rows are held out (held_out={how.held_out}), none is left to train on. Lower it."
        )
    if not counts["sequences"]:
        raise DataError(f"{named}: no row has anything left to learn after the cuts ({how.source} tokens of source, "
                        f"{how.target} of target). Raise max_source_length and max_target_length.")  # fmt: skip
