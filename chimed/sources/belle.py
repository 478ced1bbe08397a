"""What the BELLE data sets share: their licence, their notice and the shape of an instruction."""

from __future__ import annotations

from chimed.records import Instruction
from chimed.source import Row
from chimed.sources import instructions, turns
from chimed.sources.instructions import ALPACA, CONVERSATIONS, INPUT_TARGET

LICENSE = "GPL-3.0"
NOTICE = "The upstream text allows research use only, whatever the licence tag says."
ATTRIBUTION = "BELLE (Ji et al., 2023)"
LAYOUTS = (ALPACA, INPUT_TARGET, CONVERSATIONS)


def parse(row: Row) -> Instruction:
    """`{instruction, input, output}`, the older `{input, target}` with escaped newlines, or conversations."""
    value = row.value
    if isinstance(value, dict) and "conversations" in value:
        return turns.instruction(turns.of_conversation(value), upstream_id=turns.identity(value.get("id")))
    if isinstance(value, dict) and "target" in value and "instruction" not in value:
        question, answer = instructions.pair(value, "input", "target")
        asked, said = instructions.unescaped(question), instructions.unescaped(answer)
        repairs = ("newline_unescaped",) if (asked, said) != (question, answer) else ()
        return instructions.single(asked, said, repairs)
    return instructions.alpaca(value)
