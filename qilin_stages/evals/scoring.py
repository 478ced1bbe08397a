"""What the tasks share: judged rows of choice and text items, their summaries with intervals, their floors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qilin_stages.evals import significance
from qilin_stages.evals.choice import MISSING, Judged, aggregate, canonical, confusion, judge
from qilin_stages.evals.floors import choice_floors, text_floors
from qilin_stages.evals.generate import loops
from qilin_stages.evals.task import Answer, Item, Mode, Row
from qilin_stages.evals.text import METRICS, ORDERS, bleu, definition, score


def choice_row(item: Item, answer: Answer, judged: Judged) -> Row:
    """The stored row of a choice item; `score` is None where no key is published."""
    right = 100.0 if judged.correct else 0.0
    return {
        "id": item.id, "subject": item.subject, "split": item.split, "answer": item.answer, "generation": answer.text,
        "extracted": judged.extracted, "raw": judged.raw, "tier": judged.tier, "score": right if item.answer else None,
        "error": answer.error, "note": answer.note, "loops": loops(answer.text),
    }  # fmt: skip


def judge_choice(items: Sequence[Item], answers: Mapping[str, Answer], protocol: Mode) -> list[Row]:
    """Rows of generated answers; an item without an answer is wrong, not absent."""
    rows = []
    for item in items:
        answer = answers.get(item.id, Answer(item.id, error="not_asked"))
        rows.append(
            choice_row(item, answer, judge(answer.text, item.options, canonical(item.answer or ""), protocol=protocol))
        )
    return rows


def most_likely(answer: Answer) -> Judged:
    """The letter of the highest log-probability; the first of equals."""
    best = max(sorted(answer.logprobs), key=lambda x: answer.logprobs[x], default=None)
    return Judged(best, "logprob" if best else "none", False)


def summarise_choice(items: Sequence[Item], rows: Sequence[Row]) -> dict[str, Any]:
    """Accuracy and weighted F1 with intervals over all items that have a key."""
    scored = [row for row in rows if row["score"] is not None]
    keys = [canonical(row["answer"]) for row in scored]
    judged = [Judged(r["extracted"], r["tier"], r["score"] == 100, r["raw"]) for r in scored]
    right = sum(j.correct for j in judged)
    said = [j.raw or j.extracted for j in judged]
    figures = aggregate(keys, judged)
    return {
        "accuracy": figures.pop("accuracy"), "accuracy_ci": significance.wilson(right, len(judged)),
        "weighted_f1": figures.pop("weighted_f1"),
        "weighted_f1_ci": significance.f1_interval(keys, [s or MISSING for s in said]),
        **figures, **faults(rows), "without_key": len(rows) - len(scored),
        "confusion": confusion(keys, [j.extracted for j in judged]),
    }  # fmt: skip


def faults(rows: Sequence[Row]) -> dict[str, Any]:
    """How many answers were empty, went in circles, failed, or were asked of a cut prompt."""
    return {
        "empty": sum(not row.get("generation", "").strip() and not row.get("logprobs") for row in rows),
        "looping": sum(bool(row.get("loops")) for row in rows),
        "errors": dict(sorted(Counter(row["error"] for row in rows if row["error"]).items())),
        "notes": dict(sorted(Counter(row["note"] for row in rows if row["note"]).items())),
    }


def floors_choice(items: Sequence[Item]) -> dict[str, list[Row]]:
    """Judged rows of the choice floors."""
    out = {}
    for name, said in choice_floors(items).items():
        out[name] = [
            choice_row(
                item, Answer(item.id, letters), Judged(letters, "floor", letters == canonical(item.answer or ""))
            )
            for item, letters in zip(items, said, strict=True)
        ]
    return out


def judge_text(items: Sequence[Item], answers: Mapping[str, Answer], protocol: Mode) -> list[Row]:
    """Rows of written answers with their sentence scores; `score` is ROUGE-L."""
    given = [answers.get(item.id, Answer(item.id, error="not_asked")) for item in items]
    scores = score([a.text for a in given], [item.reference or "" for item in items], protocol)
    return [
        {
            "id": item.id, "subject": item.subject, "split": item.split, "generation": answer.text,
            "reference": item.reference or "", **{m: float(scores.items[m][i]) for m in METRICS},
            "counts": [int(v) for v in scores.bleu_counts[i]], "score": float(scores.items["rougeL"][i]),
            "error": answer.error, "note": answer.note, "loops": loops(answer.text),
        }
        for i, (item, answer) in enumerate(zip(items, given, strict=True))
    ]  # fmt: skip


def summarise_text(rows: Sequence[Row], protocol: Mode) -> dict[str, Any]:
    """BLEU-1/4 and ROUGE-1/2/L with bootstrap intervals, lengths, and the signature of the definition."""
    how = definition(protocol)
    counts = np.array([row["counts"] for row in rows], dtype=np.int64).reshape(len(rows), 2 + 2 * ORDERS)
    figures: dict[str, Any] = {}
    for order, name in ((1, "bleu1"), (4, "bleu4")):
        figures[name] = bleu(counts.sum(axis=0), order, how.smoothed) if len(rows) else 0.0
        figures[f"{name}_ci"] = significance.bleu_interval(counts, order, how.smoothed)
    for name in METRICS[2:]:
        values = np.array([row[name] for row in rows])
        figures[name] = float(values.mean()) if len(rows) else 0.0
        figures[f"{name}_ci"] = significance.mean_interval(values)
    lengths = counts.sum(axis=0) if len(rows) else [0, 0]
    ratio = float(lengths[0] / lengths[1]) if lengths[1] else 0.0
    return {**figures, "n": len(rows), "length_ratio": ratio, **faults(rows), "signature": how.signature}


def floors_text(items: Sequence[Item], protocol: Mode) -> dict[str, list[Row]]:
    """Judged rows of the text floors."""
    return {
        name: judge_text(items, {i.id: Answer(i.id, text) for i, text in zip(items, said, strict=True)}, protocol)
        for name, said in text_floors(items).items()
    }
