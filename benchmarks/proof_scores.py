"""What the evaluation command does not measure: perplexity on a held-out book, log-probabilities of held-out pairs.

    python benchmarks/proof_scores.py MODEL --tree TREE --pairs RELEASE --passages N --out FILE

FILE gets one number per passage and per reply, so that models can be compared item by item.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

import proof_tree
import torch

from qilin_stages.data.split import open_data
from qilin_stages.evals.models import open_model

LONGEST = 512
SOURCE, TARGET = 256, 256


def token_losses(model: Any, ids: list[int], start: int = 1) -> list[float]:
    """Negative log-probability of each token from `start` on."""
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([ids], device=model.device)).logits[0, start - 1 : -1]
    targets = torch.tensor(ids[start:], device=model.device)
    return torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none").tolist()


def perplexity(local: Any, texts: list[str], count: int) -> list[dict[str, float]]:
    """Summed loss and tokens of `count` passages drawn with a fixed seed."""
    drawn = random.Random(42).sample(texts, min(count, len(texts)))
    rows = []
    for text in drawn:
        losses = token_losses(local.model, local.encode(text, False)[:LONGEST])
        rows.append({"nll": sum(losses), "tokens": len(losses)})
    return rows


def preference(local: Any, release: str) -> list[dict[str, Any]]:
    """Log-probability and length of both replies of every validation pair, cut as in training."""
    rows = []
    for batch in open_data(release, "dpo").batches("validation"):
        for name, prompt, *replies in zip(
            batch["id"], batch["prompt"], batch["chosen"], batch["rejected"], strict=True
        ):
            text = local.tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
            before = local.encode(text, True)[-SOURCE:]
            row: dict[str, Any] = {"id": name}
            for side, reply in zip(("chosen", "rejected"), replies, strict=True):
                after = [*local.encode(reply[0]["content"], False)[: TARGET - 1], local.tokenizer.eos_token_id]
                losses = token_losses(local.model, before + after, len(before))
                row |= {side: -sum(losses), f"{side}_tokens": len(losses)}
            rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--tree", type=Path, required=True)
    parser.add_argument("--pairs", required=True)
    parser.add_argument("--passages", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    local = open_model(asked.model, asked.out.parent)
    found = {
        "parameters": sum(p.numel() for p in local.model.parameters()),
        "book": perplexity(local, proof_tree.passages(asked.tree), asked.passages),
        "pairs": preference(local, asked.pairs),
    }
    part = asked.out.with_suffix(".part")
    part.write_text(json.dumps(found) + "\n", encoding="utf-8")
    part.replace(asked.out)


if __name__ == "__main__":
    main()
