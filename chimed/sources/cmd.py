"""CMD, multi-turn consultations of 196 sub-specialties, never published alone: a reader of any multi-turn layout."""

from __future__ import annotations

from typing import Any

from chimed.readers import FirstOf, JsonRows
from chimed.records import Dialogue
from chimed.source import Row, Skip, Source
from chimed.sources import turns
from chimed.sources.instructions import joined

_LAYOUTS = ("conversations", "messages", "history", "instruct")


def parse(row: Row) -> Dialogue:
    """Conversations, messages, a history with a last question, or strings with a speaker in front; the turn rule."""
    value = row.value
    fields: dict[str, Any] = {"metadata": turns.department(value)}
    if isinstance(value, list):
        return turns.dialogue(turns.of_strings(value), **fields)
    if isinstance(value, dict):
        fields["upstream_id"] = turns.identity(value.get("id"))
    if isinstance(value, dict) and ("history" in value or "instruct" in value or "instruction" in value):
        return turns.dialogue(_with_history(value), **fields)
    return turns.dialogue(turns.of_conversation(value), **fields)


def _with_history(value: dict[str, Any]) -> list[turns.Turn]:
    asked, answer = value.get("instruction", value.get("instruct")), value.get("output")
    if not isinstance(asked, str) or not isinstance(answer, str):
        raise Skip("wrong_shape", "no last question and answer")
    last: list[turns.Turn] = [("user", joined(asked, value.get("input"))), ("assistant", answer)]
    return turns.of_history(value.get("history")) + last


source = Source(
    name="cmd",
    home="https://github.com/williamliujl/Qilin-Med",
    license="none stated",
    redistributable="no",
    serves=frozenset({"cpt", "sft"}),
    kind="dialogue",
    domain="medical",
    reader=JsonRows(
        (FirstOf.these("cmd.jsonl", "cmd.json"),), layouts=(*(frozenset({name}) for name in _LAYOUTS), frozenset())
    ),
    parse=parse,
    attribution="CMD (Liu et al., Qilin-Med)",
    paper={"cpt": ("392K", "1286"), "sft": ("392K", "1286")},
    notice="CMD was only published inside the authors' combined release; other sets of this name are other sets.",
    obtain="CMD was never published alone. Put your own multi-turn dialogues here as cmd.jsonl or cmd.json.",
)
