"""Generated multi-turn conversations, all turns but the last in one text with markers (BELLE)."""

from __future__ import annotations

import re

from chimed.readers import JsonRows
from chimed.records import Instruction
from chimed.source import Row, Skip, Source
from chimed.sources import belle, turns
from chimed.sources.instructions import ALPACA, CONVERSATIONS

_MARKER = re.compile(r"(?:^|\n)(Human|Assistant)\s*[:：]")
_LEFT = re.compile(r"(?:Human|Assistant)\s*[:：]")


def parse(row: Row) -> Instruction:
    """`Human:… Assistant:…` split at the markers, `output` as the last reply; then the turn rule."""
    value = row.value
    if isinstance(value, dict) and "conversations" in value:
        return belle.parse(row)
    if not isinstance(value, dict) or not value.keys() >= ALPACA:
        raise Skip("wrong_shape", "no fields instruction and output")
    text, last = value["instruction"], value["output"]
    if not isinstance(text, str) or not isinstance(last, str):
        raise Skip("wrong_shape", "instruction or output is no text")
    before, *parts = _MARKER.split(text)
    spoken: list[turns.Turn] = [
        ("user" if name == "Human" else "assistant", said) for name, said in zip(parts[::2], parts[1::2], strict=True)
    ]
    if spoken and spoken[-1][0] == "assistant" and not spoken[-1][1].strip():
        del spoken[-1]
    spoken.append(("assistant", last))
    if any(_LEFT.search(said) for _, said in spoken):
        raise Skip("leftover_marker", "a marker stands inside a turn")
    if before.strip():
        raise Skip("broken_turns", "text before the first marker")
    return turns.instruction(spoken)


source = Source(
    name="belle_multiturn_chat",
    home="https://huggingface.co/datasets/BelleGroup/multiturn_chat_0.8M",
    license=belle.LICENSE,
    redistributable="GPL",
    serves=frozenset({"sft"}),
    kind="instruction",
    domain="general",
    reader=JsonRows(("multiturn_chat_0.8M.json",), layouts=(ALPACA, CONVERSATIONS)),
    parse=parse,
    attribution=belle.ATTRIBUTION,
    expected=831_036,
    paper={"sft": ("831K", "705.6")},
    notice=belle.NOTICE,
    addresses=("hf://datasets/BelleGroup/multiturn_chat_0.8M/multiturn_chat_0.8M.json",),
)
