"""How the models of a proof decode: chosen among a few settings by the SFT model's scores on validation rows.

    python benchmarks/proof_decoding.py MODEL --data RELEASE --out FILE

FILE gets every setting with its scores and the chosen one. No evaluation item is looked at: the rows are the validation
part of the SFT split, asked as the explanation task asks its questions.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

from qilin_stages.data.split import open_data
from qilin_stages.evals import scoring
from qilin_stages.evals.generate import greedy
from qilin_stages.evals.models import open_model
from qilin_stages.evals.task import Item, Request

ROWS = 32
ASK, REASON = "\n请选出正确答案并解释原因。", "解析："
GRID = {"no_repeat_ngram_size": (3, 6), "repetition_penalty": (1.0, 1.15), "min_new_tokens": (1, 100)}


def rows(release: str) -> list[tuple[Item, Request]]:
    """Validation explanations as items, and what is asked."""
    out = []
    for batch in open_data(release, "sft").batches("validation"):
        for name, source, (question, answer, *_) in zip(batch["id"], batch["source"], batch["messages"], strict=True):
            if source == "cmexam_explanation":
                text = question["content"] + ASK
                item = Item(name, "validation", text, reference=answer["content"].split(REASON, 1)[-1])
                out.append((item, Request(name, text, (("user", text),), max_new_tokens=256)))
    return out[:ROWS]


def tried(local: Any, asked: list[tuple[Item, Request]], setting: dict[str, float]) -> dict[str, float]:
    """BLEU-1, ROUGE-L and length ratio of one setting."""
    for name, value in setting.items():
        setattr(local.model.generation_config, name, value)
    answers = {answer.id: answer for answer in greedy(local, [request for _, request in asked])}
    found = scoring.summarise_text(scoring.judge_text([item for item, _ in asked], answers, "sound"), "sound")
    return {name: round(found[name], 3) for name in ("bleu1", "rougeL", "length_ratio")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    local, asked = open_model(given.model, given.out.parent), rows(given.data)
    settings = [dict(zip(GRID, values, strict=True)) for values in itertools.product(*GRID.values())]
    scores = [{"setting": setting, **tried(local, asked, setting)} for setting in settings]
    best = max(scores, key=lambda row: row["bleu1"] + row["rougeL"])
    found = {"rows": len(asked), "chosen": best["setting"], "tried": scores}
    given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
