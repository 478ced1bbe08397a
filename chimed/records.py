"""What a row becomes: the seven record kinds, where it came from, and the three published rows.

Imports nothing else of the package. The published field names are those of the data format chapter in docs/format.md;
the reserved column names of trainers (prompt, text, history, …) appear only where a trainer is meant to read them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Split = Literal["cpt", "sft", "dpo"]
Domain = Literal["medical", "general"]
Kind = Literal["passage", "question", "choice", "entity", "dialogue", "instruction", "preference"]
Role = Literal["system", "user", "assistant"]

SPLITS: tuple[Split, ...] = ("cpt", "sft", "dpo")
RELEASE_NAMES: dict[Split, str] = {"cpt": "ChiMed-CPT", "sft": "ChiMed-SFT", "dpo": "ChiMed-DPO"}

# Why a row is lost. The first block is decided by the source's format, the second by the pipeline.
PARSE_REASONS = (
    "bad_bytes", "bad_json", "wrong_shape", "wrong_columns", "shifted_columns", "empty_question", "empty_answer",
    "placeholder", "no_answer_key", "answer_not_in_options", "no_explanation", "no_dialogue", "no_reply",
    "broken_turns", "leftover_marker", "single_response", "equal_pair",
)  # fmt: skip
PIPELINE_REASONS = (
    "exact_duplicate", "near_duplicate", "repeated_substring", "contaminated", "filtered", "excluded",
)  # fmt: skip
REASONS = PARSE_REASONS + PIPELINE_REASONS


class Frozen(BaseModel):
    """Base of all values: immutable, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Message(Frozen):
    """One turn of a conversation; `content` is stripped and not empty in a published row."""

    role: Role
    content: str


class Record(Frozen):
    """What every kind carries besides its own fields.

    `domain` and `license` stand only where a row differs from its source (sub-sources of HC3). `repairs` names what
    parsing mended (`stripped`, `newline_unescaped`, `merged_speaker`, `dropped_last_user`, `removed_label`,
    `cut_to_equal`). `metadata` is kept with the Origin and never published.
    """

    title: str | None = None
    upstream_id: str | None = None
    domain: Domain | None = None
    license: str | None = None
    repairs: tuple[str, ...] = ()
    metadata: dict[str, str] = Field(default_factory=dict)


class Passage(Record):
    """Running text, such as lines of a textbook packed to at most 2,048 characters."""

    kind: Literal["passage"] = "passage"
    text: str


class Question(Record):
    """One question and its answer; other wordings of the question are kept as paraphrases."""

    kind: Literal["question"] = "question"
    question: str
    answer: str
    paraphrases: tuple[str, ...] = ()


class Option(Frozen):
    """One option of a multiple-choice question, under the letter that upstream gave it."""

    letter: str
    text: str


class Choice(Record):
    """A multiple-choice question; `answer` holds the right letters as written upstream ("ABD")."""

    kind: Literal["choice"] = "choice"
    stem: str
    options: tuple[Option, ...]
    answer: str
    explanation: str | None = None


class Relation(Frozen):
    """A named relation of an entity and its values in the order first seen."""

    name: str
    values: tuple[str, ...]


class Entity(Record):
    """A thing of a knowledge graph (mostly a disease) with all its relations in one place."""

    kind: Literal["entity"] = "entity"
    name: str
    type: str | None = None
    relations: tuple[Relation, ...]


class Dialogue(Record):
    """A consultation: alternating turns that start with the user and end with the assistant."""

    kind: Literal["dialogue"] = "dialogue"
    messages: tuple[Message, ...]


class Instruction(Record):
    """An instruction and its reply, single or multi turn, optionally with a system message first."""

    kind: Literal["instruction"] = "instruction"
    messages: tuple[Message, ...]


class Preference(Record):
    """A prompt (odd number of messages after an optional system one), a better and a worse reply."""

    kind: Literal["preference"] = "preference"
    prompt: tuple[Message, ...]
    chosen: str
    rejected: str


AnyRecord = Annotated[
    Passage | Question | Choice | Entity | Dialogue | Instruction | Preference, Field(discriminator="kind")
]


class Origin(Frozen):
    """Where a published or lost row came from. Stays local: it is never pushed.

    `file` is relative to the source's folder, `position` the 1-based row number in it, `rows` how many upstream rows
    the record stands for, `text_sha1` the SHA-1 of the formatted text before cleaning.
    """

    id: str
    source: str
    file: str
    position: int
    rows: int = 1
    title: str | None = None
    upstream_id: str | None = None
    text_sha1: str
    metadata: dict[str, str] = Field(default_factory=dict)


class CptRow(Frozen):
    """A published row of ChiMed-CPT; `text` is the only training column."""

    id: str
    text: str = Field(min_length=1)
    source: str
    domain: Domain
    kind: Kind
    license: str


class SftRow(Frozen):
    """A published row of ChiMed-SFT: optional system message, then user and assistant in strict alternation."""

    id: str
    messages: list[Message] = Field(min_length=2)
    source: str
    domain: Domain
    rounds: Literal["single", "multi"]
    license: str


class DpoRow(Frozen):
    """A published row of ChiMed-DPO; `chosen` and `rejected` hold one assistant message each."""

    id: str
    prompt: list[Message] = Field(min_length=1)
    chosen: list[Message] = Field(min_length=1, max_length=1)
    rejected: list[Message] = Field(min_length=1, max_length=1)
    source: str
    domain: Domain
    license: str


ROW_MODELS: dict[Split, type[CptRow] | type[SftRow] | type[DpoRow]] = {"cpt": CptRow, "sft": SftRow, "dpo": DpoRow}
