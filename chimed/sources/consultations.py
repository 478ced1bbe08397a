"""Raw consultations of MedDialog: which text of a block is the patient's opening, and which turns follow it."""

from __future__ import annotations

import re

from chimed.records import Dialogue, Role
from chimed.source import Skip
from chimed.sources import turns

_HEADING = re.compile(r"(Doctor faculty|Description|Dialogue|Diagnosis and suggestions)\s*$")
_COMPLAINT = re.compile(r"病情描述(?:（[^）]*）)?：\s*(.*)$")
_DISEASE = re.compile(r"疾病：\s*(.*)$")
_LABEL = re.compile(r"[^：\s（(]{2,12}(?:（[^）]*）)?：")
_SPEAKER = re.compile(r"(医生|病人)：\s*(.*)$")
_ROLE: dict[str, Role] = {"病人": "user", "医生": "assistant"}

Section = tuple[str, list[str]]
Turns = list[tuple[Role, str]]


def parse(block: str) -> Dialogue:
    """The reference rule: the first filled 病情描述 of a Description, then the first Dialogue after it.

    Messages of one speaker in a row are joined with a newline (joined without, two numbers would become one). URL,
    doctor and hospital are left out.
    """
    lines = block.split("\n")
    sections = _sections(lines)
    if not any(name == "Dialogue" for name, _ in sections):
        raise Skip("no_dialogue", "the block has no Dialogue")
    opening, at = _opening(sections)
    spoken: Turns = [("user", opening)] if opening else []
    for name, text in sections[at + 1 :]:
        if name == "Dialogue":
            spoken += _messages(text)
            break
    merged = _merged(spoken)
    while merged and merged[0][0] == "assistant":
        del merged[0]
    if len(merged) < 2:
        raise Skip("no_reply", "no answer to the patient is left")
    repairs = ("merged_speaker",) if len(merged) < len(spoken) else ()
    return turns.dialogue(merged, repairs, upstream_id=lines[0].strip().removeprefix("id="), metadata=_about(sections))


def _sections(lines: list[str]) -> list[Section]:
    sections: list[Section] = []
    for line in lines:
        if heading := _HEADING.match(line):
            sections.append((heading[1], []))
        elif sections:
            sections[-1][1].append(line)
    return sections


def _opening(sections: list[Section]) -> tuple[str, int]:
    """The patient's complaint and the number of its section; nothing and -1 where there is none."""
    for number, (name, lines) in enumerate(sections):
        if name == "Description" and (text := _value(lines, _COMPLAINT)):
            return text, number
    return "", -1


def _value(lines: list[str], label: re.Pattern[str]) -> str:
    """The value of a labelled field: the rest of its line and the lines up to the next label."""
    found: list[str] | None = None
    for line in lines:
        if match := label.match(line):
            found = [match[1]]
        elif found is not None and _LABEL.match(line):
            break
        elif found is not None:
            found.append(line)
    return "\n".join(text.strip() for text in found or () if text.strip())


def _messages(lines: list[str]) -> Turns:
    messages: Turns = []
    role: Role | None = None
    for line in lines:
        if match := _SPEAKER.match(line):
            role, line = _ROLE[match[1]], match[2]
        if role and line.strip():
            messages.append((role, line.strip()))
    return messages


def _merged(messages: Turns) -> Turns:
    merged: Turns = []
    for role, text in messages:
        if merged and merged[-1][0] == role:
            merged[-1] = role, f"{merged[-1][1]}\n{text}"
        else:
            merged.append((role, text))
    return merged


def _about(sections: list[Section]) -> dict[str, str]:
    """Disease, and the department without the hospital it belongs to."""
    about: dict[str, str] = {}
    for name, lines in sections:
        if name == "Description" and (disease := _value(lines, _DISEASE)):
            about.setdefault("disease", disease)
        if name == "Doctor faculty" and (words := " ".join(lines).split()):
            about.setdefault("department", words[-1])
    return about
