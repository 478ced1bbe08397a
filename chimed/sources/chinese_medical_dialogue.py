"""Questions to doctors of six departments and their answers (Toyhom's set): one turn each."""

from __future__ import annotations

from typing import Any

from chimed.readers import Delimited, Either, FirstOf, JsonRows
from chimed.records import Dialogue
from chimed.source import Row, Skip, Source
from chimed.sources import instructions, turns

_COLUMNS = (frozenset({"title", "ask", "answer"}), frozenset({"title", "question", "answer"}))
_FILES = {
    "Andriatria_男科": "男科5-13000", "IM_内科": "内科5000-33000", "OAGD_妇产科": "妇产科6-28000",
    "Oncology_肿瘤科": "肿瘤科5-10000", "Pediatric_儿科": "儿科5-14000", "Surgical_外科": "外科5-14000",
}  # fmt: skip
_NOTHING = "无"


def parse(row: Row) -> Dialogue:
    """Title and question are the user's turn (the title alone where the question reads 无), the answer the doctor's."""
    value = row.value
    if isinstance(value, dict) and "instruction" in value:
        asked, answer = instructions.pair(value, "instruction", "output")
        return _dialogue(instructions.joined(asked, value.get("input")), answer, value)
    answer = instructions.text_of(value["answer"], "empty_answer", "answer")
    given = value["title"], value.get("ask", value.get("question", ""))
    title, question = (text.strip() for text in given)
    asked = "\n".join(part for part in (title, "" if question == _NOTHING else question) if part)
    if not asked:
        raise Skip("empty_question", "title and question are empty")
    return _dialogue(asked, answer, value, ("stripped",) if (title, question) != given else ())


def _dialogue(asked: str, answer: str, value: Any, repairs: tuple[str, ...] = ()) -> Dialogue:
    return Dialogue.model_validate(instructions.one_turn(asked, answer, repairs, {"metadata": turns.department(value)}))


source = Source(
    name="chinese_medical_dialogue",
    home="https://github.com/Toyhom/Chinese-medical-dialogue-data",
    license="MIT",
    redistributable="yes",
    serves=frozenset({"cpt", "sft"}),
    kind="dialogue",
    domain="medical",
    reader=Either(
        Delimited(("Data_数据/*/*.csv",), _COLUMNS, encodings=("utf-8", "gb18030")),
        JsonRows((FirstOf.these("train.json", "chinese_medical_dialogue.json"),), layouts=(instructions.ALPACA,)),
    ),
    parse=parse,
    attribution="Chinese medical dialogue data (Toyhom, 2019)",
    expected=792_099,
    paper={"cpt": ("800K", "553.7"), "sft": ("800K", "553.7")},
    notice="Elsewhere this set is also called CMD; it is not the CMD of the paper.",
    addresses=tuple(
        f"https://raw.githubusercontent.com/Toyhom/Chinese-medical-dialogue-data/HEAD/Data_数据/{folder}/{name}.csv"
        for folder, name in _FILES.items()
    ),
)
