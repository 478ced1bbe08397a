"""Turns of a conversation: the rule that all sources share, and the shapes in which turns come."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from chimed.records import Dialogue, Instruction, Role
from chimed.source import Skip

_ROLES: dict[str, Role] = dict.fromkeys(("human", "user", "input", "病人", "患者", "提问者"), "user")
_ROLES |= dict.fromkeys(("assistant", "gpt", "output", "bot", "医生"), "assistant")
_ROLES["system"] = "system"
_ABOUT = {"department": "department", "科室": "department", "cate1": "cate1", "cate2": "cate2"}
_PREFIX = re.compile(r"\s*(病人|患者|医生)[：:]")

Turn = tuple[Role, Any]
Messages = list[dict[str, str]]
"""Messages as plain dictionaries: pydantic validates them fastest in one go with their record."""


def ruled(turns: Iterable[Turn], repairs: Iterable[str] = ()) -> tuple[Messages, tuple[str, ...]]:
    """The turn rule: messages stripped, one final user message dropped, then user and assistant in turn to the end.

    Returns messages and repairs; raises Skip `broken_turns`. A system message may stand first; an empty one is dropped.
    """
    messages: Messages = []
    mended = set(repairs)
    for role, content in turns:
        if not isinstance(content, str):
            raise Skip("broken_turns", f"the {role} message is {type(content).__name__}, not text")
        text = content.strip()
        if text != content:
            mended.add("stripped")
        messages.append({"role": role, "content": text})
    if messages and messages[0] == {"role": "system", "content": ""}:
        del messages[0]
    if messages and messages[-1]["role"] == "user":
        del messages[-1]
        mended.add("dropped_last_user")
    _check(messages[1:] if messages and messages[0]["role"] == "system" else messages)
    return messages, tuple(sorted(mended))


def _check(messages: Messages) -> None:
    if not messages or len(messages) % 2:
        raise Skip("broken_turns", f"{len(messages)} messages")
    for number, message in enumerate(messages):
        if message["role"] != ("assistant" if number % 2 else "user"):
            raise Skip("broken_turns", f"message {number + 1} is by {message['role']}")
        if not message["content"]:
            raise Skip("broken_turns", f"message {number + 1} is empty")


def of_conversation(value: Any) -> list[Turn]:
    """Turns of `conversations: [{from, value}]` or `messages: [{role, content}]`."""
    spoken = value.get("conversations") or value.get("messages") if isinstance(value, dict) else None
    if not isinstance(spoken, list):
        raise Skip("wrong_shape", "no list of conversations or messages")
    return [_turn(item) for item in spoken]


def _turn(item: Any) -> Turn:
    if not isinstance(item, dict):
        raise Skip("wrong_shape", "a message is no object")
    name = item.get("from") or item.get("role")
    role = _ROLES.get(name) if isinstance(name, str) else None
    if role is None:
        raise Skip("wrong_shape", f"a message is by {name!r}")
    return role, item["value"] if "value" in item else item.get("content")


def of_history(history: Any) -> list[Turn]:
    """Turns of `[[question, answer], …]`; nothing where it is absent."""
    if not history:
        return []
    if not isinstance(history, list) or any(not isinstance(pair, list) or len(pair) != 2 for pair in history):
        raise Skip("wrong_shape", "history is no list of pairs")
    return [
        turn for question, answer in history for turn in ((_ROLES["user"], question), (_ROLES["assistant"], answer))
    ]


def of_strings(value: Any) -> list[Turn]:
    """Turns of `["病人：…", "医生：…"]`, split at the first colon."""
    if not isinstance(value, list):
        raise Skip("wrong_shape", "not a list of turns")
    turns: list[Turn] = []
    for text in value:
        match = _PREFIX.match(text) if isinstance(text, str) else None
        if match is None:
            raise Skip("wrong_shape", "a turn does not begin with 病人： or 医生：")
        turns.append((_ROLES[match[1]], text[match.end() :]))
    return turns


def instruction(turns: Iterable[Turn], repairs: Iterable[str] = (), **fields: Any) -> Instruction:
    """An Instruction of these turns, by the turn rule."""
    messages, mended = ruled(turns, repairs)
    return Instruction.model_validate({"messages": messages, "repairs": mended, **fields})


def dialogue(turns: Iterable[Turn], repairs: Iterable[str] = (), **fields: Any) -> Dialogue:
    """A Dialogue of these turns, by the turn rule."""
    messages, mended = ruled(turns, repairs)
    return Dialogue.model_validate({"messages": messages, "repairs": mended, **fields})


def identity(value: Any) -> str | None:
    """An upstream id as text, None where there is none."""
    return str(value) if isinstance(value, str | int) and str(value) else None


def department(value: Any) -> dict[str, str]:
    """Departments and categories of a row, for its metadata."""
    if not isinstance(value, dict):
        return {}
    return {_ABOUT[name]: text for name, text in value.items() if name in _ABOUT and isinstance(text, str) and text}
