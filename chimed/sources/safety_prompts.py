"""Safety-Prompts: typical safety scenarios and instruction attacks, answered by ChatGPT; some replies are unsafe."""

from __future__ import annotations

import re

from chimed.readers import FirstOf, JsonRows
from chimed.records import Instruction
from chimed.source import Row, Skip, Source
from chimed.sources import instructions
from chimed.sources.instructions import text_of

_FIELDS = frozenset({"prompt", "response"})
_BROKEN_END = re.compile(r"^n\n+")


def parse(row: Row) -> Instruction:
    """One prompt and its reply, flat or under the name of its scenario."""
    value, scenario = row.value, ""
    if isinstance(value, dict) and len(value) == 1:
        ((scenario, value),) = value.items()
    if not isinstance(value, dict) or not value.keys() >= _FIELDS:
        raise Skip("wrong_shape", "no fields prompt and response")
    asked = text_of(value["prompt"], "empty_question", "prompt")
    said = text_of(value["response"], "empty_answer", "response")
    plain = _BROKEN_END.sub("", said)
    kind = value.get("type", scenario)
    return instructions.single(
        asked, plain, ("newline_unescaped",) if plain != said else (),
        metadata={"type": kind} if isinstance(kind, str) and kind else {},
    )  # fmt: skip


source = Source(
    name="safety_prompts",
    home="https://github.com/thu-coai/Safety-Prompts",
    license="Apache-2.0",
    redistributable="yes",
    serves=frozenset({"sft"}),
    kind="instruction",
    domain="general",
    reader=JsonRows(
        (
            FirstOf.these("typical_safety_scenarios.json", "typical-safety-scenarios-*.jsonl"),
            FirstOf.these("instruction_attack_scenarios.json", "instruction-attack-scenarios-*.jsonl"),
        ),
        layouts=(_FIELDS,),
        nested=True,
    ),
    parse=parse,
    attribution="Safety-Prompts (Sun et al., 2023)",
    expected=100_000,
    paper={"sft": ("100K", "84.1")},
    notice="Some replies are unsafe, as its authors state.",
    addresses=(
        "hf://datasets/thu-coai/Safety-Prompts/typical_safety_scenarios.json",
        "hf://datasets/thu-coai/Safety-Prompts/instruction_attack_scenarios.json",
    ),
)
