"""HC3: questions with answers by people and by ChatGPT, of seven sub-sources with a licence each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chimed.readers import Divided, FirstOf, JsonRows
from chimed.records import Instruction
from chimed.source import Row, Skip, Source
from chimed.sources import instructions

SUBSETS = ("baike", "finance", "law", "medicine", "nlpcc_dbqa", "open_qa", "psychology")
ESCAPED = frozenset({"medicine", "nlpcc_dbqa"})
STRICTER = {"medicine": "CC-BY-NC-4.0"}

_SIDES = {"chatgpt": "chatgpt_answers", "human": "human_answers"}
_rows = JsonRows(
    (FirstOf.these(tuple(f"{name}.jsonl" for name in SUBSETS), "all.jsonl"),),
    layouts=tuple(frozenset({"question", side}) for side in _SIDES.values()),
)


def parse(row: Row) -> Instruction:
    """The question with its first filled answer: ChatGPT's where the row has them, else a person's."""
    value = row.value
    sides = [side for side in _SIDES.values() if isinstance(value, dict) and side in value]
    if not sides or "question" not in value:
        raise Skip("wrong_shape", "no question with answers")
    question = instructions.text_of(value["question"], "empty_question", "question")
    given = value[sides[0]] if value[sides[0]] is not None else []
    if not isinstance(given, list) or any(text is not None and not isinstance(text, str) for text in given):
        raise Skip("wrong_shape", f"{sides[0]} is no list of texts")
    answer = next((text for text in given if text and text.strip()), None)
    subset = value.get("source") if isinstance(value.get("source"), str) else Path(row.file).name.split(".")[0]
    asked, said = question, instructions.text_of(answer, "empty_answer", sides[0])
    if subset in ESCAPED:
        asked, said = instructions.unescaped(asked), instructions.unescaped(said)
    repairs = ("newline_unescaped",) if (asked, said) != (question, answer) else ()
    return instructions.single(
        asked, said, repairs, license=STRICTER.get(subset), domain="medical" if subset == "medicine" else None,
        metadata={"subset": subset, "answered_by": sides[0].removesuffix("_answers")},
    )  # fmt: skip


def _only(side: str, value: Any) -> list[Any]:
    """The row with the answers of one side alone."""
    other = _SIDES["human" if side == "chatgpt" else "chatgpt"]
    kept = _SIDES[side]
    if not isinstance(value, dict) or kept not in value:
        return []
    return [{name: given for name, given in value.items() if name != other}]


def _human(value: Any) -> list[Any]:
    return _only("human", value)


def _both(value: Any) -> list[Any]:
    return _only("chatgpt", value) + _only("human", value)


def source_with(answers: str = "chatgpt") -> Source:
    """`answers`: whose answer a question gets, or `both` for one record each."""
    divide = {"human": _human, "both": _both}.get(answers)
    return Source(
        name="hc3_chinese",
        home="https://huggingface.co/datasets/Hello-SimpleAI/HC3-Chinese",
        license="CC-BY-SA-4.0",
        redistributable="SA",
        serves=frozenset({"sft"}),
        kind="instruction",
        domain="general",
        reader=Divided(_rows, divide) if divide else _rows,
        parse=parse,
        attribution="HC3 (Guo et al., 2023)",
        expected=12_853,
        paper={"sft": ("12.9K", "9")},
        notice="Sub-sources: medicine CC-BY-NC-4.0, finance CC-BY-4.0, open_qa MIT, psychology CC0; none is stated for "
        "baike, nlpcc_dbqa and law.",
        addresses=tuple(f"hf://datasets/Hello-SimpleAI/HC3-Chinese/{name}.jsonl" for name in SUBSETS),
        options={"answers": ("chatgpt", "human", "both")},
        configure=source_with,
    )


source = source_with()
