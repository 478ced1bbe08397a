"""The rows of the Huatuo-26M family: one or many wordings of a question, and its answer."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from chimed.readers import Divided, JsonRows
from chimed.records import Passage, Question
from chimed.source import Row, Skip, Source

QUESTIONS = frozenset({"questions", "answers"})
TEXT = frozenset({"text"})


def parse(row: Row) -> Question | Passage:
    """`{"questions": [[…]], "answers": […]}` to any depth, or a `{"text"}` line, which becomes a passage."""
    value = row.value
    if isinstance(value, dict) and "text" in value and "questions" not in value:
        return passage(value)
    if not isinstance(value, dict) or not value.keys() >= QUESTIONS:
        raise Skip("wrong_shape", "no fields questions and answers")
    given, replies = list(_strings(value["questions"])), list(_strings(value["answers"]))
    questions = list(dict.fromkeys(text.strip() for text in given))
    answers = [text.strip() for text in replies]
    if not questions:
        raise Skip("empty_question", "no question is filled")
    if not answers:
        raise Skip("empty_answer", "no answer is filled")
    outer = any(text != text.strip() for text in (*given, *replies))
    return Question(
        question=questions[0], answer="\n".join(answers), paraphrases=tuple(questions[1:]),
        repairs=("stripped",) if outer else (),
    )  # fmt: skip


def passage(value: dict[str, Any]) -> Passage:
    """A `{"text"}` line as a passage."""
    text = value["text"]
    if not isinstance(text, str):
        raise Skip("wrong_shape", f"text is {type(text).__name__}, not text")
    if not text.strip():
        raise Skip("empty_answer", "text is empty")
    return Passage(text=text.strip(), repairs=("stripped",) if text != text.strip() else ())


def each_paraphrase(value: Any) -> list[Any]:
    """One row for each wording of the question, with the same answers."""
    if not isinstance(value, dict) or not value.keys() >= QUESTIONS:
        return []
    try:
        questions = dict.fromkeys(text.strip() for text in _strings(value["questions"]))
    except Skip:
        return []
    return [{"questions": [question], "answers": value["answers"]} for question in questions]


def source(rows: JsonRows, paraphrases: str = "first", **facts: Any) -> Source:
    """A source of the family; `paraphrases`: one record by the first wording of a question, or one for `each`."""
    return Source(
        license="Apache-2.0",
        redistributable="yes",
        serves=frozenset({"cpt"}),
        kind="question",
        domain="medical",
        reader=Divided(rows, each_paraphrase) if paraphrases == "each" else rows,
        parse=parse,
        attribution="Huatuo-26M (Li et al., 2023)",
        options={"paraphrases": ("first", "each")},
        configure=partial(source, rows, **facts),  # no closure: sources travel to worker processes
        **facts,
    )


def _strings(value: Any) -> Iterator[str]:
    """Filled strings at any depth."""
    if isinstance(value, str):
        if value.strip():
            yield value
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
    elif value is not None:
        raise Skip("wrong_shape", f"{type(value).__name__} among the texts")
