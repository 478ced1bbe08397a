"""The training arms that run in this environment: ours and TRL, each from rows to a built trainer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training_rows import BATCH, PACK, PAIRS, rows_of, split_of, tokenised

RATES = {"sft": 3e-3, "dpo": 1e-3}
LORA = {"r": 8, "lora_alpha": 32, "lora_dropout": 0.05, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
PLAIN = {"bf16": False, "gradient_checkpointing": False}
Rows = list[dict[str, Any]]


def common(out: Path, batch: int, rate: float = RATES["sft"]) -> dict[str, Any]:
    """Settings that all trainers share; rows in the order in which they are given."""
    return {"output_dir": str(out), "use_cpu": True, "report_to": "none", "save_strategy": "no", "learning_rate": rate,
            "num_train_epochs": 1, "logging_steps": 1, "seed": 42, "disable_tqdm": True,
            "per_device_train_batch_size": batch, "train_sampling_strategy": "sequential"}  # fmt: skip


def adapted(work: Path) -> Any:
    """The model as a stage of ours loads it, with the recipe's kind of adapter."""
    from transformers import set_seed

    from qilin_stages.model.adapters import add
    from qilin_stages.model.attention import register
    from qilin_stages.model.base import load
    from qilin_stages.recipe import Adapter
    from qilin_stages.training.launch import keep_memory

    keep_memory()
    model = load(work / "model", attention=register())
    set_seed(42)
    return add(model, Adapter(kind="lora", r=8, alpha=32, dropout=0.05))


def ours(work: Path, train: Rows, out: Path, *, packed: bool) -> Any:
    """The stage's loop: the rows of a step in one flat row, or rows of up to 1,024 tokens."""
    from datasets import Dataset
    from transformers import TrainingArguments

    from qilin_stages.data.packing import spans
    from qilin_stages.training.loops import PackedTrainer, packed_batch

    made = tokenised("sft", train, work)
    plan = spans([len(row["input_ids"]) for row in made], PACK, "bfd_split" if packed else "none")
    rows = [{"ids": [made[i]["id"] for i, *_ in row], "lengths": [stop - start for _, start, stop in row],
             "input_ids": [t for i, *_ in row for t in made[i]["input_ids"]],
             "labels": [t for i, *_ in row for t in made[i]["labels"]]} for row in plan]  # fmt: skip
    args = TrainingArguments(**common(out, 1 if packed else BATCH), remove_unused_columns=False)
    return PackedTrainer(adapted(work), args, train_dataset=Dataset.from_list(rows), data_collator=packed_batch)


def ours_dpo(work: Path, train: Rows, out: Path) -> Any:
    """The stage's loop over pairs, reference by switching the adapter off."""
    from datasets import Dataset
    from transformers import TrainingArguments

    from qilin_stages.training.loops import PairTrainer, pair_batch

    args = TrainingArguments(**common(out, PAIRS, RATES["dpo"]), remove_unused_columns=False)
    made = Dataset.from_list(tokenised("dpo", train, work))
    return PairTrainer(adapted(work), args, beta=0.1, train_dataset=made, data_collator=pair_batch)


def trl_sft(work: Path, train: Rows, out: Path, **more: Any) -> Any:
    """TRL's SFT trainer."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    rows = Dataset.from_list([{"messages": row["messages"]} for row in train])
    settings = common(out, 1 if more.get("packing") else BATCH)
    args = SFTConfig(**settings, assistant_only_loss=True, max_length=PACK, **more)
    return SFTTrainer(args=args, train_dataset=rows, **parts(work))


def trl_dpo(work: Path, train: Rows, out: Path) -> Any:
    """TRL's DPO trainer in fp32 without checkpointing."""
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    rows = Dataset.from_list([{name: row[name] for name in ("prompt", "chosen", "rejected")} for row in train])
    args = DPOConfig(**common(out, PAIRS, RATES["dpo"]), max_length=PACK, disable_dropout=False, **PLAIN)
    return DPOTrainer(args=args, train_dataset=rows, **parts(work))


def parts(work: Path) -> dict[str, Any]:
    """Model, tokenizer and adapter as TRL takes them."""
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed

    model = AutoModelForCausalLM.from_pretrained(work / "model", dtype="float32")
    set_seed(42)
    return {"model": model, "processing_class": AutoTokenizer.from_pretrained(work / "model"),
            "peft_config": LoraConfig(**LORA)}  # fmt: skip


ARMS: dict[str, Callable[[Path, Rows, Path], Any]] = {
    "ours": lambda *a: ours(*a, packed=False),
    "ours-packed": lambda *a: ours(*a, packed=True),
    "trl-defaults": trl_sft,
    "trl-fp32": lambda *a: trl_sft(*a, **PLAIN),
    "trl-fp32-packed": lambda *a: trl_sft(*a, packing=True, **PLAIN),
    "ours-dpo": ours_dpo,
    "trl-dpo": trl_dpo,
}


def run_arm(name: str, work: Path) -> None:
    """Train one arm in this process; its figures go as JSON to the last line of stdout, its adapter to its folder."""
    import torch

    torch.set_num_threads(1)
    train, _ = rows_of(split_of(name), work)
    out = work / "out" / name
    trainer = ARMS[name](work, train, out)
    start = time.process_time()
    trainer.train()
    seconds = time.process_time() - start
    trainer.model.save_pretrained(out)
    losses = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    print(json.dumps({"seconds": seconds, "steps": trainer.state.global_step, "losses": [float(x) for x in losses]}))
