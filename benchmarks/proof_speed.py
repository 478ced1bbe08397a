"""Tokens that one core trains per second of its own time, however many share it: forward, backward and step.

python benchmarks/proof_speed.py MODEL --tokens N --out FILE
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

STEPS = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--tokens", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    model = AutoModelForCausalLM.from_pretrained(given.model)
    optimiser = torch.optim.AdamW(model.parameters())
    ids = torch.arange(given.tokens)[None] % model.config.vocab_size
    seconds = []
    for _ in range(STEPS):
        start = time.process_time()
        model(input_ids=ids, labels=ids).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        seconds.append(time.process_time() - start)
    middle = sorted(seconds)[STEPS // 2]
    given.out.write_text(json.dumps({"tokens_per_second": round(given.tokens / middle)}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
