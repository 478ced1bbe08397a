"""Zhongjing's ranked replies: earlier is better; pairs of them are preferences."""

from __future__ import annotations

import ast
from itertools import combinations
from typing import Any

from chimed.readers import Delimited, Divided, FirstOf, JsonRows, Sniffed
from chimed.records import Preference
from chimed.source import Row, Skip, Source
from chimed.sources import preferences, turns
from chimed.sources.instructions import joined

_FIELDS = frozenset({"instruction", "output"})
_RANKED = frozenset({"query", "rank1", "rank2"})
_FILES = (FirstOf.these("data/rlhf2000_7_31.json", "rlhf2000_7_31.json", ("*.tsv", "input_file.json")),)
_UNRANKED = "replies of the label tool without ranks: no preference can be made. Label them first (output_result.tsv)."
_rows = Sniffed(
    text=Delimited(_FILES, (_RANKED,), delimiter="\t"),
    json=JsonRows(_FILES, layouts=(_FIELDS,), nested=True, refused=((frozenset({"0"}), _UNRANKED),)),
)


def parse(row: Row) -> Preference:
    """The first two replies of a ranking; `single_response` where there is one."""
    value = row.value
    if isinstance(value, dict) and "rank1" in value:
        value = _of_label_tool(value)
    if not isinstance(value, dict) or not value.keys() >= _FIELDS or not isinstance(value["output"], list):
        raise Skip("wrong_shape", "no instruction with a list of replies")
    if len(value["output"]) < 2:
        raise Skip("single_response", f"{len(value['output'])} replies")
    chosen, rejected = value["output"][:2]
    question = value["instruction"]
    return preferences.preference(
        turns.of_history(value.get("history")),
        joined(question, value.get("input")) if isinstance(question, str) and question.strip() else question,
        chosen, rejected, upstream_id=turns.identity(value.get("id")), metadata=turns.department(value),
    )  # fmt: skip


def _of_label_tool(value: dict[str, Any]) -> dict[str, Any]:
    """A line of the label tool in the shape of the JSON layout; its history is a Python literal."""
    if not value.keys() >= _RANKED or any(not isinstance(text, str) for text in value.values()):
        raise Skip("wrong_shape", "no query with ranked replies")
    try:
        history = ast.literal_eval(value.get("history") or "[]")
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise Skip("wrong_shape", "history is no list") from None
    pairs = [list(pair) if isinstance(pair, tuple) else pair for pair in history] if isinstance(history, list) else None
    ranked = [value[name] for name in sorted(value) if name.startswith("rank") and value[name].strip()]
    return {"instruction": value["query"], "output": ranked, "history": pairs, "id": value.get("id", "")}


def _pairs_of(value: Any, all_pairs: bool) -> list[Any]:
    if isinstance(value, dict) and "rank1" in value:
        try:
            value = _of_label_tool(value)
        except Skip:
            return []
    replies = value.get("output") if isinstance(value, dict) else None
    if not isinstance(replies, list) or len(replies) < 2:
        return []
    wanted = combinations(replies, 2) if all_pairs else [(replies[0], replies[-1])]
    return [{**value, "output": list(pair)} for pair in wanted]


def _ends(value: Any) -> list[Any]:
    return _pairs_of(value, all_pairs=False)


def _all(value: Any) -> list[Any]:
    return _pairs_of(value, all_pairs=True)


def source_with(pairs: str = "first-second") -> Source:
    """`pairs`: which replies are compared: the first two, the first and the last, or all in order."""
    divide = {"first-last": _ends, "all": _all}.get(pairs)
    return Source(
        name="zhongjing_rlhf",
        home="https://github.com/SupritYoung/Zhongjing",
        license="Apache-2.0",
        redistributable="notice",
        serves=frozenset({"dpo"}),
        kind="preference",
        domain="medical",
        reader=Divided(_rows, divide) if divide else _rows,
        parse=parse,
        attribution="Zhongjing (Yang et al., 2023)",
        expected=2_000,
        paper={"dpo": ("2K", "4.1")},
        notice="For research use only, as its authors state.",
        addresses=("https://raw.githubusercontent.com/SupritYoung/Zhongjing/HEAD/data/rlhf2000_7_31.json",),
        options={"pairs": ("first-second", "first-last", "all")},
        configure=source_with,
    )


source = source_with()
