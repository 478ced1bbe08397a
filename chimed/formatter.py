"""From a record to the texts of a published row: CPT text, SFT messages, DPO triplet.

Every row is a tuple of texts and a code with one letter per text: `t` running text, `s` system, `u` user, `a`
assistant, `c` chosen, `r` rejected. All later steps (cleaning, masking, guard, deduplication) work on these texts;
`publish` makes the published columns of them. The wording of every kind stands in `CPT` and `SFT` below.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from chimed.records import (
    Choice,
    Dialogue,
    Entity,
    Instruction,
    Message,
    Passage,
    Preference,
    Question,
    Record,
    Role,
    Split,
)
from chimed.source import Skip

LETTER: dict[Role, str] = {"system": "s", "user": "u", "assistant": "a"}
ROLE: dict[str, Role] = {"s": "system", "u": "user", "a": "assistant", "c": "assistant", "r": "assistant"}
SPEAKER: dict[Role, str] = {"system": "", "user": "病人：", "assistant": "医生："}
CONVERSATION = re.compile(r"s?(ua)+")
PAIR = re.compile(r"s?u(au)*cr")


class Texts(NamedTuple):
    """The texts of one row and their roles, one letter each."""

    texts: tuple[str, ...]
    roles: str


def options_of(choice: Choice) -> str:
    """The options, one per line: `A. text`."""
    return "\n".join(f"{option.letter}. {option.text}" for option in choice.options)


def answer_of(choice: Choice) -> str:
    """The right letters as upstream wrote them, each with its text: `AC（甲；乙）`."""
    by_letter = {option.letter: option.text for option in choice.options}
    return f"{choice.answer}（{'；'.join(by_letter[letter] for letter in choice.answer if letter in by_letter)}）"


def _explained(choice: Choice) -> str:
    return f"\n解析：{choice.explanation}" if choice.explanation else ""


def _entity(entity: Entity) -> str:
    head = f"{entity.name}（{entity.type}）" if entity.type else entity.name
    return "\n".join([head, *(f"{relation.name}：{'、'.join(relation.values)}" for relation in entity.relations)])


def _spoken(messages: Sequence[Message]) -> str:
    return "\n".join(SPEAKER[message.role] + message.content for message in messages)


CPT: dict[type[Record], Callable[[Any], str]] = {
    Passage: lambda p: p.text,
    Question: lambda q: f"问题：{q.question}\n回答：{q.answer}",
    Choice: lambda c: f"题目：{c.stem}\n{options_of(c)}\n答案：{answer_of(c)}{_explained(c)}",
    Entity: _entity,
    Dialogue: lambda d: _spoken(d.messages),
    Instruction: lambda i: "\n".join(message.content for message in i.messages),
}

SFT: dict[type[Record], Callable[[Any], Sequence[Message]]] = {
    Question: lambda q: (Message(role="user", content=q.question), Message(role="assistant", content=q.answer)),
    Choice: lambda c: (
        Message(role="user", content=f"{c.stem}\n{options_of(c)}"),
        Message(role="assistant", content=f"答案：{answer_of(c)}{_explained(c)}"),
    ),
    Dialogue: lambda d: d.messages,
    Instruction: lambda i: i.messages,
}


def texts_of(record: Record, split: Split) -> Texts | None:
    """The texts of a record in a split, or None where its kind has no form there.

    Raises Skip("broken_turns") for messages that do not alternate or do not end with the assistant and
    Skip("equal_pair") for equal answers.
    """
    if split == "cpt":
        template = CPT.get(type(record))
        return Texts((template(record).strip(),), "t") if template else None
    if split == "dpo":
        return _pair(record) if isinstance(record, Preference) else None
    conversation = SFT.get(type(record))
    if conversation is None:
        return None
    messages = conversation(record)
    roles = "".join([LETTER[message.role] for message in messages])
    return _checked(tuple([message.content.strip() for message in messages]), roles, CONVERSATION)


def _pair(record: Preference) -> Texts:
    roles = "".join(LETTER[message.role] for message in record.prompt) + "cr"
    texts = (*(message.content.strip() for message in record.prompt), record.chosen.strip(), record.rejected.strip())
    if same_answer(texts[-2], texts[-1]):
        raise Skip("equal_pair")
    return _checked(texts, roles, PAIR)


def _checked(texts: tuple[str, ...], roles: str, shape: re.Pattern[str]) -> Texts:
    if not _has_shape(roles, shape) or not all(texts):
        raise Skip("broken_turns", f"roles {roles}")
    return Texts(texts, roles)


@functools.lru_cache(maxsize=1024)
def _has_shape(roles: str, shape: re.Pattern[str]) -> bool:
    return shape.fullmatch(roles) is not None


def same_answer(chosen: str, rejected: str) -> bool:
    """Whether two answers are equal once white space is taken out."""
    return "".join(chosen.split()) == "".join(rejected.split())


def messages_of(texts: Sequence[str], roles: str) -> list[dict[str, str]]:
    """Published messages of texts and their roles."""
    return [{"role": ROLE[letter], "content": text} for letter, text in zip(roles, texts, strict=True)]


def publish(split: Split, texts: Sequence[str], roles: str) -> dict[str, Any]:
    """The training columns of a published row."""
    if split == "cpt":
        return {"text": texts[0]}
    if split == "sft":
        return {"messages": messages_of(texts, roles), "rounds": "single" if roles.count("u") == 1 else "multi"}
    return {
        "prompt": messages_of(texts[:-2], roles[:-2]),
        "chosen": messages_of(texts[-2:-1], "c"),
        "rejected": messages_of(texts[-1:], "r"),
    }
