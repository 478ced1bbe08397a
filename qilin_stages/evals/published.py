"""The figures of the Qilin-Med paper (arXiv 2310.09089v1, Tables 4-6), and why they are or are not comparable."""

from __future__ import annotations

from typing import Any

_CEVAL_NOTE = (
    "Not comparable: 52 subjects of the hidden test set, protocol not published. The base model's 42.8 equals "
    "Baichuan's own README, so the fall to 36.2 probably compares two protocols."
)
_CMEXAM_NOTE = (
    "Not comparable: the protocol behind these figures cannot be recovered. CMExam's own table has a ChatGLM tuned on "
    "CMExam at 45.3, which the paper leaves out."
)
_HUATUO_NOTE = (
    "Not comparable: items, decoding and code of Table 6 are unpublished; `paper` is the likeliest reading. Its T5 and "
    "GPT2 rows are the untuned rows of Huatuo-26M's own table and come from another scorer."
)
_EXPLANATION_NOTE = "Table 5 scores explanations by the released code; its figures are not restated here."

TABLES: dict[str, dict[str, Any]] = {
    "ceval": {
        "table": "Table 4", "note": _CEVAL_NOTE, "comparable": False,
        "rows": {
            "Baichuan-7B": {"average": 42.8, "physician": 46.7, "clinical_medicine": 43.0},
            "Qilin-Med-7B-CPT": {"average": 36.2, "physician": 44.9},
            "Qilin-Med-7B-SFT": {"average": 40.1, "physician": 55.5, "clinical_medicine": 48.5},
        },
    },
    "cmexam": {
        "table": "Table 5", "note": _CMEXAM_NOTE, "comparable": False,
        "rows": {
            "Baichuan-7B": {"accuracy": 33.5},
            "Qilin-Med-7B-CPT": {"accuracy": 38.4},
            "Qilin-Med-7B-SFT": {"accuracy": 40.0},
        },
    },
    "cmexam-explanation": {"table": "Table 5", "note": _EXPLANATION_NOTE, "comparable": False, "rows": {}},
    "huatuo": {
        "table": "Table 6", "note": _HUATUO_NOTE, "comparable": False,
        "rows": {
            "Baichuan-7B": {"bleu1": 10.43, "bleu4": 1.16, "rouge1": 18.68, "rouge2": 3.68, "rougeL": 7.19},
            "Qilin-Med-7B-SFT": {"bleu1": 12.69, "bleu4": 2.07, "rouge1": 24.21, "rouge2": 6.34, "rougeL": 11.56},
            "Qilin-Med-7B-DPO": {"bleu1": 16.66, "bleu4": 2.64, "rouge1": 27.44, "rouge2": 6.88, "rougeL": 9.36},
        },
    },
}  # fmt: skip

# items of the official test files (C-Eval: val and test); CMExam's explanations are those of its test rows that have one
COUNTS = {"cmexam": 6_811, "ceval": 1_346 + 12_342, "huatuo": 6_000}


def rows(task: str, protocol: str) -> dict[str, Any]:
    """The paper's rows for a task with the note that must stand under them; empty for tasks it has not."""
    if task not in TABLES:
        return {}
    closest = " This run uses the sound protocol: a further difference." if protocol == "sound" else ""
    return {**TABLES[task], "note": TABLES[task]["note"] + closest}
