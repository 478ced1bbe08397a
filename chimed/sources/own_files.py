"""A user's own files as a source without code: a `[[source]]` table of a recipe says which field is what.

[[source]]
name = "clinic_notes"
files = ["clinic/*.jsonl"]
format = "jsonl"
kind = "question"
columns = { question = "ask", answer = "reply" }
license = "CC-BY-4.0"
redistributable = "yes"
splits = ["cpt"]
domain = "medical"
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from pydantic import Field, ValidationError

from chimed.errors import UsageError
from chimed.readers import Delimited, JsonRows, ParquetRows
from chimed.records import Choice, Domain, Entity, Frozen, Kind, Passage, Question, Record, Relation, Split
from chimed.source import Reader, Redistributable, Row, Skip, Source
from chimed.sources import choices, instructions, preferences, turns

Columns = dict[str, str]

_NEEDED: dict[Kind, tuple[frozenset[str], ...]] = {
    "passage": (frozenset({"text"}),),
    "question": (frozenset({"question", "answer"}),),
    "choice": (frozenset({"stem", "options", "answer"}),),
    "entity": (frozenset({"name"}),),
    "dialogue": (frozenset({"messages"}), frozenset({"question", "answer"})),
    "instruction": (frozenset({"messages"}), frozenset({"instruction", "output"})),
    "preference": (frozenset({"question", "chosen", "rejected"}),),
}
_MORE: dict[Kind, frozenset[str]] = {
    "passage": frozenset({"title"}), "question": frozenset(), "choice": frozenset({"explanation"}),
    "entity": frozenset({"type"}), "dialogue": frozenset({"history"}), "instruction": frozenset({"input", "history"}),
    "preference": frozenset({"system", "history"}),
}  # fmt: skip
_SERVES: dict[Kind, frozenset[Split]] = {
    "passage": frozenset({"cpt"}), "entity": frozenset({"cpt"}), "instruction": frozenset({"sft"}),
    "preference": frozenset({"dpo"}),
}  # fmt: skip


class Table(Frozen):
    """A `[[source]]` table, typed; unknown keys are refused. `columns` maps a field of the kind to a column."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    files: tuple[str, ...] = Field(min_length=1)
    format: Literal["jsonl", "json", "csv", "parquet"]
    kind: Kind
    columns: dict[str, str]
    license: str
    redistributable: Redistributable
    splits: tuple[Split, ...] = Field(min_length=1)
    domain: Domain
    home: str = ""
    attribution: str = ""


def from_table(table: dict[str, Any]) -> Source:
    """The source that a `[[source]]` table describes; its files lie below `--from` itself.

    UsageError names the key that is unknown, missing or of the wrong type.
    """
    try:
        own = Table.model_validate(table)
    except ValidationError as error:
        raise UsageError(_words(table, error)) from error
    needed = _needed(own)
    _check_splits(own)
    return Source(
        name=own.name, home=own.home, license=own.license, redistributable=own.redistributable,
        serves=frozenset(own.splits), kind=own.kind, domain=own.domain, reader=_reader(own, needed),
        parse=_Parse(own.kind, own.columns), attribution=own.attribution or own.name, folder=".",
    )  # fmt: skip


def _words(table: dict[str, Any], error: ValidationError) -> str:
    """Everything that is wrong with a table, in one message."""
    where = f"[[source]] {table.get('name', '')}".strip()
    missing = [str(fault["loc"][0]) for fault in error.errors() if fault["type"] == "missing"]
    said = [f"{', '.join(missing)} missing"] if missing else []
    for fault in error.errors():
        if fault["type"] != "missing":
            key = ".".join(map(str, fault["loc"]))
            close = get_close_matches(key, Table.model_fields, 1) if fault["type"] == "extra_forbidden" else []
            message = (
                f'should be a list, such as ["{fault["input"]}"]' if fault["type"] == "tuple_type" else fault["msg"]
            )
            said.append(f"{key}: {message}" + (f" (did you mean {close[0]!r}?)" if close else ""))
    return f"{where}: {'; '.join(said)}."


def _needed(own: Table) -> frozenset[str]:
    """The columns that a row must have."""
    sets = _NEEDED[own.kind]
    chosen = next((names for names in sets if names <= own.columns.keys()), None)
    known = frozenset().union(*sets) | _MORE[own.kind]
    if chosen is None:
        wanted = " or ".join(", ".join(sorted(names)) for names in sets)
        raise UsageError(f"[[source]] {own.name}: columns of kind {own.kind} must name {wanted}.")
    for name in own.columns.keys() - known:
        if own.kind != "entity":
            close = get_close_matches(name, known, 1)
            hint = f" (did you mean {close[0]!r}?)" if close else f"; known are {', '.join(sorted(known))}"
            raise UsageError(f"[[source]] {own.name}: columns.{name} is no field of kind {own.kind}{hint}.")
    return frozenset(own.columns[name] for name in chosen)


def _check_splits(own: Table) -> None:
    able = _SERVES.get(own.kind, frozenset({"cpt", "sft"}))
    if wrong := set(own.splits) - able:
        raise UsageError(f"[[source]] {own.name}: kind {own.kind} serves {', '.join(sorted(able))}, not {wrong.pop()}.")


def _reader(own: Table, needed: frozenset[str]) -> Reader:
    if own.format == "parquet":
        return ParquetRows(own.files, frozenset(own.columns.values()))
    if own.format == "csv":
        return Delimited(own.files, (needed,), encodings=("utf-8", "gb18030"))
    return JsonRows(own.files, (needed,))


@dataclass(frozen=True, slots=True)
class _Parse:
    """`parse` of a table: what its columns hold, as a record of its kind."""

    kind: Kind
    columns: Columns

    def __call__(self, row: Row) -> Record:
        if not isinstance(row.value, dict):
            raise Skip("wrong_shape", "not an object")
        given = {field: row.value.get(column) for field, column in self.columns.items()}
        return _PARSERS[self.kind](given)


def _passage(given: dict[str, Any]) -> Record:
    text = instructions.text_of(given["text"], "empty_answer", "text")
    return Passage(text=text.strip(), title=turns.identity(given.get("title")))


def _question(given: dict[str, Any]) -> Record:
    question, answer = instructions.pair(given, "question", "answer")
    return Question(question=question.strip(), answer=answer.strip())


def _choice(given: dict[str, Any]) -> Choice:
    options = given["options"]
    if isinstance(options, dict):
        options = [{"key": letter, "value": text} for letter, text in options.items()]
    names = {"stem": "Question", "answer": "Answer", "explanation": "Explanation"}
    return choices.parse({"Options": options, **{name: given.get(field) for field, name in names.items()}})


def _entity(given: dict[str, Any]) -> Record:
    name = instructions.text_of(given["name"], "empty_question", "name")
    relations = []
    for title, value in given.items():
        values = tuple(str(item).strip() for item in (value if isinstance(value, list) else [value]) if item)
        if title not in {"name", "type"} and values:
            relations.append(Relation(name=title, values=values))
    return Entity(name=name.strip(), type=turns.identity(given.get("type")), relations=tuple(relations))


def _turns(given: dict[str, Any], asks: str, answers: str) -> list[turns.Turn]:
    if "messages" in given:
        return turns.of_conversation(given)
    question, answer = instructions.pair(given, asks, answers)
    last: list[turns.Turn] = [("user", instructions.joined(question, given.get("input"))), ("assistant", answer)]
    return turns.of_history(given.get("history")) + last


def _dialogue(given: dict[str, Any]) -> Record:
    return turns.dialogue(_turns(given, "question", "answer"))


def _instruction(given: dict[str, Any]) -> Record:
    return turns.instruction(_turns(given, "instruction", "output"))


def _preference(given: dict[str, Any]) -> Record:
    system: list[turns.Turn] = [("system", given["system"])] if given.get("system") else []
    before = system + turns.of_history(given.get("history"))
    return preferences.preference(before, given["question"], given["chosen"], given["rejected"])


_PARSERS = {
    "passage": _passage, "question": _question, "choice": _choice, "entity": _entity, "dialogue": _dialogue,
    "instruction": _instruction, "preference": _preference,
}  # fmt: skip
