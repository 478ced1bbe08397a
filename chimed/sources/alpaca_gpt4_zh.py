"""Alpaca's instructions in Chinese with answers by GPT-4."""

from __future__ import annotations

from chimed.readers import FirstOf, JsonRows
from chimed.records import Instruction
from chimed.source import Row, Source
from chimed.sources import instructions

_FILES = FirstOf.these(
    "alpaca_gpt4_data_zh.json", "data/alpaca_gpt4_data_zh.json",
    ("alpaca_data_gpt4_chinese.json", "alpaca_data_gpt4_chinese.jsonl"),
)  # fmt: skip


def parse(row: Row) -> Instruction:
    """Instruction and input (without a label 输入： of its own), answer; some copies end their fields in `_zh`."""
    suffix = "_zh" if isinstance(row.value, dict) and "instruction_zh" in row.value else ""
    return instructions.alpaca(row.value, suffix, strip_label=True)


source = Source(
    name="alpaca_gpt4_zh",
    home="https://github.com/Instruction-Tuning-with-GPT-4/GPT-4-LLM",
    license="CC-BY-NC-4.0",
    redistributable="NC",
    serves=frozenset({"sft"}),
    kind="instruction",
    domain="general",
    reader=JsonRows((_FILES,), layouts=(instructions.ALPACA, instructions.ALPACA_ZH)),
    parse=parse,
    attribution="GPT-4-LLM (Peng et al., 2023)",
    expected=48_818,
    paper={"sft": ("49K", "37.1")},
    addresses=(
        "https://raw.githubusercontent.com/Instruction-Tuning-with-GPT-4/GPT-4-LLM/HEAD/data/alpaca_gpt4_data_zh.json",
    ),
)
