"""What TRL's SFT and DPO trainers make of a repository: rows as turns, one JSON line each. `read_trl.py SPLIT REPO OUT`."""

import json
import sys
from pathlib import Path
from typing import Any

import byte_tokenizer
from datasets import load_dataset
from transformers import LlamaConfig, LlamaForCausalLM
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer


def tiny() -> Any:
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=300, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2
    ))  # fmt: skip


def sft(repo: str, out: Path) -> list[Any]:
    """Rows as the collator sees them; what carries loss must be the assistants' turns and nothing else."""
    tokenizer, data = byte_tokenizer.make(), load_dataset(repo, split="train")
    args = SFTConfig(output_dir=str(out.parent / "sft"), max_length=None, assistant_only_loss=True, use_cpu=True,
                     bf16=False, report_to=[])  # fmt: skip
    made = SFTTrainer(tiny(), args=args, train_dataset=data, processing_class=tokenizer).train_dataset
    rows = []
    for row in made:
        turns = byte_tokenizer.turns(byte_tokenizer.decode(tokenizer, row["input_ids"]))
        learnt = [i for i, mask in zip(row["input_ids"], row["assistant_masks"], strict=True) if mask]
        said = "".join(content + "<|im_end|>" for role, content in turns if role == "assistant")
        if byte_tokenizer.decode(tokenizer, learnt) != said:
            sys.exit(f"the loss is not on the assistants' turns: {said[:200]!r}")
        rows.append({"turns": turns})
    return rows


def dpo(repo: str, out: Path) -> list[Any]:
    tokenizer, data = byte_tokenizer.make(), load_dataset(repo, split="train")
    args = DPOConfig(output_dir=str(out.parent / "dpo"), max_length=None, use_cpu=True, bf16=False, report_to=[])
    trainer = DPOTrainer(tiny(), ref_model=None, args=args, train_dataset=data, processing_class=tokenizer)
    rows = []
    for row in trainer.train_dataset:
        prompt, *sides = (
            byte_tokenizer.decode(tokenizer, row[f"{name}_ids"]) for name in ("prompt", "chosen", "rejected")
        )
        asked = prompt.removesuffix("<|im_start|>assistant\n")
        if asked == prompt:
            sys.exit(f"the prompt does not end where the assistant begins: {prompt[-200:]!r}")
        replies = [side.strip("\n").removesuffix("<|im_end|>") for side in sides]
        rows.append({"turns": byte_tokenizer.turns(asked), "chosen": replies[0], "rejected": replies[1]})
    return rows


if __name__ == "__main__":
    split, repo, out = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    rows = (sft if split == "sft" else dpo)(repo, out)
    out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
