"""Conversations of Chinese-Vicuna: 30K of ShareGPT in Chinese and 20K of Alpaca."""

from __future__ import annotations

from chimed.readers import FirstOf, JsonRows
from chimed.records import Instruction
from chimed.source import Row, Skip, Source
from chimed.sources import instructions, turns

_LISTS = frozenset({"input", "output"})


def parse(row: Row) -> Instruction:
    """`input[i]` and `output[i]` are turn i; lists of unequal length are cut to the shorter."""
    value = row.value
    if isinstance(value, dict) and "instruction" in value:
        return instructions.alpaca(value)
    if not isinstance(value, dict) or not value.keys() >= _LISTS:
        raise Skip("wrong_shape", "no fields input and output")
    asked, said = value["input"], value["output"]
    if isinstance(asked, str) and isinstance(said, str):
        asked, said = [asked], [said]
    if not isinstance(asked, list) or not isinstance(said, list):
        raise Skip("wrong_shape", "input and output are no lists")
    repairs = ("cut_to_equal",) if len(asked) != len(said) else ()
    spoken: list[turns.Turn] = []
    for question, answer in zip(asked, said, strict=False):
        spoken += [("user", question), ("assistant", answer)]
    return turns.instruction(spoken, repairs)


source = Source(
    name="instruct_chat",
    home="https://huggingface.co/datasets/Chinese-Vicuna/instruct_chat_50k.jsonl",
    license="Apache-2.0",
    redistributable="yes",
    serves=frozenset({"sft"}),
    kind="instruction",
    domain="general",
    reader=JsonRows(
        (FirstOf.these("instruct_chat_50k.jsonl", "data_sample.jsonl"),), layouts=(_LISTS, instructions.ALPACA)
    ),
    parse=parse,
    attribution="Chinese-Vicuna (Fan et al., 2023)",
    expected=51_584,
    paper={"sft": ("51.6K", "117.4")},
    addresses=("hf://datasets/Chinese-Vicuna/instruct_chat_50k.jsonl/instruct_chat_50k.jsonl",),
)
