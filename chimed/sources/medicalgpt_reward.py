"""MedicalGPT's reward data: a medical question with a better and a worse reply; only the train file is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chimed.readers import FirstOf, JsonRows
from chimed.records import Preference
from chimed.source import Row, Skip, Source
from chimed.sources import preferences, turns

_LAYOUTS = (
    frozenset({"question", "response_chosen", "response_rejected"}), frozenset({"question", "chosen", "rejected"}),
    frozenset({"conversations", "chosen", "rejected"}),
)  # fmt: skip


def parse(row: Row) -> Preference:
    """Question or conversation, `chosen` and `rejected` under either name; system text and history are kept."""
    value = row.value
    if not isinstance(value, dict) or not any(fields <= value.keys() for fields in _LAYOUTS):
        raise Skip("wrong_shape", "no question with a better and a worse reply")
    before, question = _prompt(value)
    general = Path(row.file).name.startswith("dpo_zh")
    return preferences.preference(
        before, question, _text(value, "chosen"), _text(value, "rejected"), domain="general" if general else None
    )


def _prompt(value: dict[str, Any]) -> tuple[list[turns.Turn], Any]:
    if "conversations" in value:
        *before, (role, question) = turns.of_conversation(value)
        if role != "user":
            raise Skip("broken_turns", "the prompt does not end with the user")
        return before, question
    system: list[turns.Turn] = [("system", value["system"])] if value.get("system") else []
    return system + turns.of_history(value.get("history")), value["question"]


def _text(value: dict[str, Any], name: str) -> Any:
    given = value.get("response_" + name, value.get(name))
    return given.get("value") if isinstance(given, dict) else given


source = Source(
    name="medicalgpt_reward",
    home="https://huggingface.co/datasets/shibing624/medical",
    license="Apache-2.0",
    redistributable="notice",
    serves=frozenset({"dpo"}),
    kind="preference",
    domain="medical",
    reader=JsonRows((FirstOf.these("reward/train.json", "train.json", "dpo_zh*.jsonl"),), layouts=_LAYOUTS),
    parse=parse,
    attribution="MedicalGPT (Xu, 2023)",
    paper={"dpo": ("4K", "3.1")},
    notice="For research use only, as its authors state.",
    addresses=("hf://datasets/shibing624/medical/reward/train.json",),
)
