"""Multiple-choice questions of CMExam in all their layouts: csv, workbook, JSON; also read by the evaluation sets."""

from __future__ import annotations

import re
from typing import Any

from chimed.records import Choice, Option
from chimed.source import Skip
from chimed.sources.instructions import unescaped

COLUMNS = (
    frozenset({"Question", "Options", "Answer"}),
    frozenset({"prompt", "选项", "答案"}),
)
ANNOTATIONS = (
    "Disease Group", "Area of Competency", "Clinical Department", "Medical Discipline", "Difficulty level",
)  # fmt: skip
PLACEHOLDER = "请等待更新"

_LINE_END = re.compile(r"\r\n|\n|\r|\\n")
_OPTION = re.compile(r"([A-Z])(?:\s+|(?=[^\x00-\x7f]))(.*)", re.S)
_PROMPT = re.compile(r"\s*问题\s*[:：]\s*(.*?)\s*,?\s*选项\s*[:：]", re.S)


def parse(value: Any) -> Choice:
    """A question with options by letter; `empty_question`, `no_answer_key`, `answer_not_in_options` are its losses."""
    stem, options, answer, explanation, notes = fields(value)
    if not stem:
        raise Skip("empty_question", "the stem is empty")
    if not answer:
        raise Skip("no_answer_key", "the answer is empty")
    letters = {option.letter for option in options}
    if missing := set(answer) - letters:
        raise Skip("answer_not_in_options", f"{''.join(sorted(missing))} is none of {''.join(sorted(letters))}")
    plain = unescaped(explanation).strip()
    repairs = ("newline_unescaped",) if plain != explanation else ()
    return Choice(stem=stem, options=options, answer=answer, explanation=plain or None, repairs=repairs, metadata=notes)


def fields(value: Any) -> tuple[str, tuple[Option, ...], str, str, dict[str, str]]:
    """Stem, options, answer letters, explanation and annotations of a row in any layout; empty where null."""
    if not isinstance(value, dict):
        raise Skip("wrong_shape", "not an object")
    notes = {name: text for name in ANNOTATIONS if (text := field(value, name))}
    stem = field(value, "Question") or _stem_of_prompt(value)
    options = options_of(value.get("Options", value.get("选项")))
    return stem, options, field(value, "Answer", "答案"), field(value, "Explanation", "答案解析"), notes


def field(value: dict[str, Any], *names: str) -> str:
    """The first of these fields that is there, stripped; empty for null and for the text `nan` of workbooks."""
    for name in names:
        text = value.get(name)
        if text is None:
            continue
        if not isinstance(text, str | int):
            raise Skip("wrong_shape", f"{name} is {type(text).__name__}, not text")
        return "" if text == "nan" else str(text).strip()
    return ""


def _stem_of_prompt(value: dict[str, Any]) -> str:
    match = _PROMPT.match(field(value, "prompt"))
    return match[1] if match else ""


def options_of(given: Any) -> tuple[Option, ...]:
    """Options of one text (a line each, `A text`) or of a list of key and value."""
    if isinstance(given, list):
        if any(not isinstance(item, dict) for item in given):
            raise Skip("wrong_shape", "an option is no object")
        return tuple(Option(letter=field(item, "key"), text=field(item, "value")) for item in given)
    if given is not None and not isinstance(given, str):
        raise Skip("wrong_shape", f"options are {type(given).__name__}, not text")
    found: list[tuple[str, str]] = []
    for line in _LINE_END.split(given or ""):
        match = _OPTION.fullmatch(line.strip())
        if match:
            found.append((match[1], match[2].strip()))
        elif found and line.strip():
            found[-1] = (found[-1][0], f"{found[-1][1]}\n{line.strip()}")
    return tuple(Option(letter=letter, text=text) for letter, text in found)
