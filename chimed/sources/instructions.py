"""One question and one answer in the shape of Alpaca, under whatever names the fields have."""

from __future__ import annotations

import re
from typing import Any

from chimed.records import Instruction
from chimed.source import Skip
from chimed.sources import turns

ALPACA = frozenset({"instruction", "output"})
ALPACA_ZH = frozenset({"instruction_zh", "output_zh"})
INPUT_TARGET = frozenset({"input", "target"})
CONVERSATIONS = frozenset({"conversations"})

_LABEL = re.compile(r"^\s*#*\s*输入\s*[:：]\s*")


def text_of(value: Any, empty: str, name: str) -> str:
    """A field as text; Skip `empty` where it is null or blank, `wrong_shape` where it is something else."""
    if isinstance(value, str):
        if value and not value.isspace():
            return value
        raise Skip(empty, f"{name} is empty")
    if value is None:
        raise Skip(empty, f"{name} is null")
    raise Skip("wrong_shape", f"{name} is {type(value).__name__}, not text")


def pair(value: Any, asks: str, answers: str) -> tuple[str, str]:
    """Question and answer of a row by the names of their fields, neither of them blank."""
    if not isinstance(value, dict) or asks not in value or answers not in value:
        raise Skip("wrong_shape", f"no fields {asks} and {answers}")
    return text_of(value[asks], "empty_question", asks), text_of(value[answers], "empty_answer", answers)


def single(question: str, answer: str, repairs: tuple[str, ...] = (), **fields: Any) -> Instruction:
    """An Instruction of one turn, both sides stripped."""
    return Instruction.model_validate(one_turn(question, answer, repairs, fields))


def one_turn(question: str, answer: str, repairs: tuple[str, ...], fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a record of one turn, both sides stripped; Skip where nothing is left of one."""
    asked, said = question.strip(), answer.strip()
    if not asked or not said:
        raise Skip("empty_answer" if asked else "empty_question", "only white space is left")
    if len(asked) != len(question) or len(said) != len(answer):
        repairs = tuple(sorted({*repairs, "stripped"}))
    fields["messages"] = ({"role": "user", "content": asked}, {"role": "assistant", "content": said})
    if repairs:
        fields["repairs"] = repairs
    return fields


def alpaca(value: Any, suffix: str = "", strip_label: bool = False) -> Instruction:
    """`instruction`, `input`, `output`; instruction and input are joined with a newline when both are filled."""
    question, answer = pair(value, "instruction" + suffix, "output" + suffix)
    given = value.get("input" + suffix)
    repairs: tuple[str, ...] = ()
    if isinstance(given, str) and given and strip_label:
        plain = _LABEL.sub("", given)
        repairs, given = ("removed_label",) if plain != given else (), plain
    fields = {"upstream_id": turns.identity(value["id"])} if "id" in value else {}
    return single(joined(question, given) if given else question, answer, repairs, **fields)


def unescaped(text: str) -> str:
    """The text with the two characters backslash and n as a line end."""
    return text.replace("\\r\\n", "\n").replace("\\n", "\n")


def joined(instruction: str, given: Any) -> str:
    """Instruction and input joined with a newline when both are filled; Skip where the input is no text."""
    if not given:
        return instruction
    if not isinstance(given, str):
        raise Skip("wrong_shape", f"input is {type(given).__name__}, not text")
    return f"{instruction.strip()}\n{given.strip()}" if not given.isspace() else instruction
