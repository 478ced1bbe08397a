"""Predictions made elsewhere: JSON Lines read with every fault counted, and scored by the metrics of the tasks.

Text rows are {id, prediction, reference}; choice rows {id, generation, options: {A: …}, answer}, with `style` "cot"
where the last verdict of a reasoned answer counts. A faulty row stays in the denominator and is named; without a usable
prediction, reference or key it scores 0.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from chimed.errors import DataError
from qilin_stages.evals.choice import aggregate, canonical, judge
from qilin_stages.evals.text import METRICS, definition, score

Kind = Literal["text", "choice"]


@dataclass
class Row:
    """One line: its id (or `line N`), the fields that were usable, and what was wrong with the others."""

    id: str
    fields: dict[str, Any]
    problems: list[str] = field(default_factory=list)

    def text(self, name: str, *, problem_if_absent: bool = True) -> str:
        """The field as a string; anything else counts as empty and as a problem."""
        value = self.fields.get(name)
        if isinstance(value, str):
            return value
        if value is not None:
            self.problems.append(f"{name}_not_text")
        elif problem_if_absent:
            self.problems.append(f"no_{name}")
        return ""

    def options(self) -> dict[str, str]:
        """The options as letter -> text; numbers are read as text."""
        value = self.fields.get("options")
        if not isinstance(value, dict) or not value:
            self.problems.append("no_options")
            return {}
        return {str(k): "" if v is None else str(v) for k, v in value.items()}


def score_file(path: Path, kind: Kind, protocol: str = "sound") -> dict[str, Any]:
    """Aggregate and items of a prediction file, all values x 100; DataError if it has no row at all."""
    rows = list(read_rows(path))
    if not rows:
        raise DataError(f"{path}: no rows. Expected JSON Lines, one prediction a line.")
    result = (_score_text if kind == "text" else _score_choice)(rows, protocol)
    problems = Counter(problem for row in rows for problem in row.problems)
    if repeated := len(rows) - len({row.id for row in rows}):
        problems["repeated_id"] = repeated
    return {"type": kind, "protocol": protocol, **result, "problems": dict(sorted(problems.items()))} | {
        "items": [
            item | ({"problems": row.problems} if row.problems else {})
            for item, row in zip(result["items"], rows, strict=True)
        ]
    }


def read_rows(path: Path) -> Iterator[Row]:
    """Rows of a JSON Lines file; blank lines are no rows, broken ones are rows with a problem."""
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="replace").split("\n")
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise DataError(f"{path}: {error.strerror}. Name a JSON Lines file of predictions.") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _row(line, number)


def _row(line: str, number: int) -> Row:
    name = f"line {number}"
    try:
        value = json.loads(line)
    except (json.JSONDecodeError, RecursionError):
        return Row(name, {}, ["bad_json"])
    if not isinstance(value, dict):
        return Row(name, {}, ["no_object"])
    if value.get("id") is None or value["id"] == "":
        return Row(name, value, ["no_id"])
    return Row(str(value["id"]), value)


def _score_text(rows: list[Row], protocol: str) -> dict[str, Any]:
    predictions = [_well_formed(row.text("prediction")) for row in rows]
    references = [_well_formed(row.text("reference")) for row in rows]
    for row, reference in zip(rows, references, strict=True):
        if not reference.strip() and not row.problems:
            row.problems.append("empty_reference")
    void = [not isinstance(row.fields.get("reference"), str) for row in rows]
    scores = score(predictions, references, protocol, void)
    items = [{"id": row.id, **{m: round(float(scores.items[m][i]), 6) for m in METRICS}} for i, row in enumerate(rows)]
    return {
        **{m: scores.corpus[m] for m in METRICS}, "n": len(rows), "signature": scores.signature,
        "length_ratio": scores.length_ratio, "empty": scores.empty, "items": items,
    }  # fmt: skip


def _well_formed(text: str) -> str:
    """Without lone surrogates, which JSON can smuggle in and no tokenizer takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _score_choice(rows: list[Row], protocol: str) -> dict[str, Any]:
    definition(protocol)
    keys, judged = [], []
    for row in rows:
        generation, options = _well_formed(row.text("generation")), row.options()
        key = _key(row, options)
        cot = row.fields.get("style") == "cot"
        if row.fields.get("style") not in {None, "", "direct", "cot"}:
            row.problems.append("unknown_style")
        keys.append(key)
        judged.append(judge(generation, options, key, protocol=protocol, cot=cot))
    items = [
        {"id": row.id, "extracted": j.extracted, "tier": j.tier, "correct": j.correct}
        | ({"raw": j.raw} if j.raw is not None else {})
        for row, j in zip(rows, judged, strict=True)
    ]
    return {**aggregate(keys, judged), "items": items}


def _key(row: Row, options: dict[str, str]) -> str:
    value = row.fields.get("answer")
    if isinstance(value, list):
        value = "".join(map(str, value))
    key = canonical(value) if isinstance(value, str) else ""
    if not key:
        row.problems.append("no_answer_key")
    elif options and not set(key) <= set(map(canonical, options)):
        row.problems.append("answer_not_in_options")
    return key
