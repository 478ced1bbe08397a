"""Training speed side by side: ours, TRL as it comes, TRL at its best, and others' own scripts where they are given.

One model (random Llama), one data set, the same rows once over, about the same rows per step, one pinned core. Counted
are supervised tokens per CPU-second of the training loop alone; the loss on held-out rows afterwards says that equal
work was done. Rows that any arm would cut are left out, so that all see the same tokens.

    python benchmarks/training.py --out /tmp/bench [--medicalgpt CLONE] [--llamafactory PYTHON] [--rows 64] [--rounds 2]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SFT_ARMS = ("ours", "trl-defaults", "trl-fp32-padded", "trl-fp32-packed")
DPO_ARMS = ("ours-dpo", "trl-dpo")
LORA = {"r": 8, "lora_alpha": 32, "lora_dropout": 0.05, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
BATCH, PACK, RATE = 8, 1024, 1e-3


def rows_of(split: str, release: str, work: Path, count: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows that nobody has to cut, seeded: for training and held out."""
    from qilin_stages.data.split import open_data
    from qilin_stages.data.template import read_tokenizer
    from qilin_stages.data.tokens import Preparation, tokenise

    tok, kept = read_tokenizer(work / "model"), []
    names = ("messages",) if split == "sft" else ("prompt", "chosen", "rejected")
    for batch in open_data(release, split).batches():  # type: ignore[arg-type]
        for i, row in enumerate(tokenise(tok, batch, Preparation(split))):  # type: ignore[arg-type]
            if not row["lost"] and not row["dropped"]:
                kept.append({"id": row["id"], **{name: batch[name][i] for name in names}})
    random.Random(0).shuffle(kept)
    return kept[:count], kept[count : count + 32]


def supervised(split: str, rows: list[dict[str, Any]], work: Path) -> int:
    from qilin_stages.data.template import read_tokenizer
    from qilin_stages.data.tokens import Preparation, tokenise

    columns = {name: [row[name] for row in rows] for name in rows[0]}
    made = tokenise(read_tokenizer(work / "model"), columns, Preparation(split))  # type: ignore[arg-type]
    return sum(sum(label != -100 for label in row["labels"]) if split == "sft" else
               len(row["chosen"]) + len(row["rejected"]) for row in made)  # fmt: skip


def held_out_loss(model: Any, rows: list[dict[str, Any]], work: Path) -> float:
    """Mean loss of the answers, one row at a time, by the plain equation."""
    import torch
    from torch.nn.functional import cross_entropy

    from qilin_stages.data.template import read_tokenizer
    from qilin_stages.data.tokens import Preparation, tokenise

    columns = {"id": [row["id"] for row in rows], "messages": [row["messages"] for row in rows]}
    total = count = 0
    model = model.float().eval()
    model.set_attn_implementation("sdpa")
    for row in tokenise(read_tokenizer(work / "model"), columns, Preparation("sft")):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([row["input_ids"]])).logits[0, :-1]
        labels = torch.tensor(row["labels"][1:])
        total += float(cross_entropy(logits, labels, reduction="sum", ignore_index=-100))
        count += int((labels != -100).sum())
    return total / count


class Clock:
    """CPU-seconds of a trainer's train()."""

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer

    def __call__(self) -> float:
        start = time.process_time()
        self.trainer.train()
        return time.process_time() - start


def common(out: Path, **more: Any) -> dict[str, Any]:
    return {"output_dir": str(out), "use_cpu": True, "report_to": "none", "save_strategy": "no", "learning_rate": RATE,
            "num_train_epochs": 1, "logging_steps": 1000, "seed": 42, "disable_tqdm": True, **more}  # fmt: skip


def lora(model: Any) -> Any:
    from peft import LoraConfig, get_peft_model

    return get_peft_model(model, LoraConfig(**LORA))


def ours(work: Path, train: list[dict[str, Any]], out: Path) -> Any:
    from datasets import Dataset
    from transformers import TrainingArguments

    from qilin_stages.data.packing import spans
    from qilin_stages.data.template import read_tokenizer
    from qilin_stages.data.tokens import Preparation, tokenise
    from qilin_stages.model.attention import register
    from qilin_stages.model.base import load
    from qilin_stages.training.loops import PackedTrainer, packed_batch

    columns = {name: [row[name] for row in train] for name in ("id", "messages")}
    made = list(tokenise(read_tokenizer(work / "model"), columns, Preparation("sft")))
    plan = spans([len(row["input_ids"]) for row in made], PACK, "bfd_split")
    packed = [{"ids": [made[i]["id"] for i, *_ in row], "lengths": [stop - start for _, start, stop in row],
               "input_ids": [t for i, *_ in row for t in made[i]["input_ids"]],
               "labels": [t for i, *_ in row for t in made[i]["labels"]]} for row in plan]  # fmt: skip
    args = TrainingArguments(**common(out, per_device_train_batch_size=1, remove_unused_columns=False))
    return PackedTrainer(lora(load(work / "model", attention=register())), args,
                         train_dataset=Dataset.from_list(packed), data_collator=packed_batch)  # fmt: skip


def trl_sft(work: Path, train: list[dict[str, Any]], out: Path, **more: Any) -> Any:
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    rows = Dataset.from_list([{"messages": row["messages"]} for row in train])
    batch = 1 if more.get("packing") else BATCH
    args = SFTConfig(
        **common(out, per_device_train_batch_size=batch, assistant_only_loss=True, max_length=PACK, **more)
    )
    return SFTTrainer(
        AutoModelForCausalLM.from_pretrained(work / "model", dtype="float32"), args, train_dataset=rows,
        processing_class=AutoTokenizer.from_pretrained(work / "model"), peft_config=LoraConfig(**LORA),
    )  # fmt: skip


def ours_dpo(work: Path, train: list[dict[str, Any]], out: Path) -> Any:
    from datasets import Dataset
    from transformers import TrainingArguments

    from qilin_stages.data.template import read_tokenizer
    from qilin_stages.data.tokens import Preparation, tokenise
    from qilin_stages.model.attention import register
    from qilin_stages.model.base import load
    from qilin_stages.training.loops import PairTrainer, pair_batch

    columns = {name: [row[name] for row in train] for name in train[0]}
    made = Dataset.from_list(list(tokenise(read_tokenizer(work / "model"), columns, Preparation("dpo"))))
    args = TrainingArguments(**common(out, per_device_train_batch_size=4, remove_unused_columns=False))
    model = lora(load(work / "model", attention=register()))
    return PairTrainer(model, args, beta=0.1, train_dataset=made, data_collator=pair_batch)


def trl_dpo(work: Path, train: list[dict[str, Any]], out: Path) -> Any:
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    rows = Dataset.from_list([{name: row[name] for name in ("prompt", "chosen", "rejected")} for row in train])
    args = DPOConfig(**common(out, per_device_train_batch_size=4, max_length=PACK, bf16=False, disable_dropout=False,
                              gradient_checkpointing=False))  # fmt: skip
    return DPOTrainer(
        AutoModelForCausalLM.from_pretrained(work / "model", dtype="float32"), args=args, train_dataset=rows,
        processing_class=AutoTokenizer.from_pretrained(work / "model"), peft_config=LoraConfig(**LORA),
    )  # fmt: skip


PLAIN = {"bf16": False, "gradient_checkpointing": False}
ARMS: dict[str, Callable[[Path, list[dict[str, Any]], Path], Any]] = {
    "ours": ours,
    "trl-defaults": trl_sft,
    "trl-fp32-padded": lambda *a: trl_sft(*a, **PLAIN),
    "trl-fp32-packed": lambda *a: trl_sft(*a, packing=True, **PLAIN),
    "ours-dpo": ours_dpo,
    "trl-dpo": trl_dpo,
}


def run_arm(name: str, work: Path, release: str, count: int) -> None:
    """One arm in this process; its figures as JSON on the last line of stdout."""
    import torch

    torch.set_num_threads(1)
    split = "dpo" if name.endswith("dpo") else "sft"
    train, held = rows_of(split, release, work, count)
    trainer = ARMS[name](work, train, work / "out" / name)
    seconds = Clock(trainer)()
    loss = held_out_loss(trainer.model, held, work) if split == "sft" else trainer.state.log_history[-1]["train_loss"]
    print(json.dumps({"arm": name, "seconds": seconds, "tokens": supervised(split, train, work), "loss": loss,
                      "steps": trainer.state.global_step}))  # fmt: skip


def write_conversations(work: Path, rows: list[dict[str, Any]]) -> Path:
    """The rows in the ShareGPT layout that other trainers read."""
    folder = work / "sharegpt"
    folder.mkdir(parents=True, exist_ok=True)
    names = {"user": "human", "assistant": "gpt", "system": "system"}
    lines = [{"conversations": [{"from": names[m["role"]], "value": m["content"]} for m in row["messages"]]}
             for row in rows]  # fmt: skip
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (folder / "train.jsonl").write_text(text, encoding="utf-8")
    return folder


def medicalgpt(clone: Path, work: Path, train: list[dict[str, Any]], *, checkpointing: bool) -> list[str]:
    """MedicalGPT's own script with the arguments of its own shell file, on a CPU in fp32."""
    data = write_conversations(work, train)
    return [
        sys.executable, str(clone / find_script(clone)), "--model_name_or_path", str(work / "model"),
        "--train_file_dir", str(data), "--per_device_train_batch_size", str(BATCH), "--do_train", "--template_name",
        "qwen", "--use_peft", "True", "--model_max_length", str(PACK), "--num_train_epochs", "1", "--learning_rate",
        str(RATE), "--output_dir", str(work / "out" / "medicalgpt"), "--target_modules", "all", "--lora_rank", "8",
        "--lora_alpha", "32", "--lora_dropout", "0.05", "--torch_dtype", "float32", "--device_map", "None",
        "--use_cpu", "True", "--report_to", "none", "--gradient_checkpointing", str(checkpointing), "--save_strategy",
        "no", "--cache_dir", str(work / "cache"), "--logging_steps", "1",
    ]  # fmt: skip


def find_script(clone: Path) -> Path:
    found = sorted(clone.rglob("supervised_finetuning.py"))
    if not found:
        raise SystemExit(f"{clone}: no supervised_finetuning.py; give a clone of MedicalGPT.")
    return found[0].relative_to(clone)


def llamafactory(python: Path, work: Path, train: list[dict[str, Any]], *, neat: bool) -> list[str]:
    """LLaMA-Factory in its own environment."""
    data = write_conversations(work, train)
    (data / "dataset_info.json").write_text(
        json.dumps({"rows": {"file_name": "train.jsonl", "formatting": "sharegpt"}}), encoding="utf-8"
    )
    settings = common(
        work / "out" / "llamafactory", model_name_or_path=str(work / "model"), stage="sft", do_train=True,
        finetuning_type="lora", lora_rank=8, lora_alpha=32, lora_dropout=0.05, lora_target="all", template="qwen",
        dataset="rows", dataset_dir=str(data), cutoff_len=PACK, per_device_train_batch_size=1 if neat else BATCH,
        overwrite_cache=True, packing=neat, neat_packing=neat, disable_gradient_checkpointing=neat,
    )  # fmt: skip
    path = work / "llamafactory.json"
    path.write_text(json.dumps(settings), encoding="utf-8")
    return [str(python), "-m", "llamafactory.cli", "train", str(path)]


# Run inside another project's process: times the one call of Trainer.train and says so on the last line.
TIMER = """
import json, runpy, sys, time, transformers
plain = transformers.Trainer.train
def timed(self, *a, **k):
    start = time.process_time()
    result = plain(self, *a, **k)
    print(json.dumps({"seconds": time.process_time() - start, "steps": self.state.global_step,
                      "loss": result.training_loss}), file=sys.stderr)
    return result
transformers.Trainer.train = timed
sys.argv = sys.argv[1:]
if sys.argv[0] == "-m":
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__")
else:
    sys.path.insert(0, sys.argv[0].rsplit("/", 1)[0])
    runpy.run_path(sys.argv[0], run_name="__main__")
"""


def foreign(name: str, command: list[str], work: Path, tokens: int) -> dict[str, Any]:
    """Another project's script under the timer; its loss is its own training mean, in brackets in the table."""
    python, *words = command
    done = call([python, "-c", TIMER, *words], work)
    line = next((line for line in reversed(done.stderr.splitlines()) if line.startswith('{"seconds"')), None)
    if line is None:
        raise SystemExit(f"{name} ended with {done.returncode}: {done.stderr[-2000:]}")
    return {"arm": name, "tokens": tokens, **json.loads(line), "own_loss": True}


def call(command: list[str], work: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(work / "cache"),
           "CUDA_VISIBLE_DEVICES": "", "TOKENIZERS_PARALLELISM": "false"}  # fmt: skip
    return subprocess.run(["taskset", "-c", "0", *command], env=env, capture_output=True, text=True, check=False)


def measure(name: str, args: argparse.Namespace) -> dict[str, Any]:
    work = args.out
    if name in ARMS:
        command = [sys.executable, __file__, "--arm", name, "--out", str(work), "--rows", str(args.rows)]
        done = call([*command, "--sft", args.sft, "--dpo", args.dpo], work)
        if done.returncode:
            raise SystemExit(f"{name} ended with {done.returncode}: {done.stderr[-2000:]}")
        return dict(json.loads(done.stdout.splitlines()[-1]))
    train, _ = rows_of("sft", args.sft, work, args.rows)
    tokens = supervised("sft", train, work)
    if name.startswith("medicalgpt"):
        command = medicalgpt(args.medicalgpt, work, train, checkpointing=name == "medicalgpt")
    else:
        command = llamafactory(args.llamafactory, work, train, neat=name == "llamafactory-neat")
    return foreign(name, command, work, tokens)


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    speed = {name: statistics.median(r["tokens"] / r["seconds"] for r in rounds) for name, rounds in results.items()}
    lines = ["| loop | learnt tokens / CPU-s | spread | ours is | steps | loss |", "|---|---|---|---|---|---|"]
    for name, rounds in results.items():
        rates = [r["tokens"] / r["seconds"] for r in rounds]
        base = speed["ours-dpo" if name.endswith("dpo") else "ours"]
        loss = f"{rounds[-1]['loss']:.4f}"
        lines.append(f"| {name} | {speed[name]:.0f} | {min(rates):.0f}-{max(rates):.0f} | {base / speed[name]:.2f}x | "
                     f"{rounds[-1]['steps']} | {f'({loss})' if rounds[-1].get('own_loss') else loss} |")  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sft", default="sample")
    parser.add_argument("--dpo", default="sample")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=384)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--vocabulary", type=int, default=8192)
    parser.add_argument("--medicalgpt", type=Path, help="a clone of MedicalGPT")
    parser.add_argument("--llamafactory", type=Path, help="the python of an environment with LLaMA-Factory")
    parser.add_argument("--only", nargs="*", help="arms to run; all if none")
    parser.add_argument("--arm", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.arm:
        return run_arm(args.arm, args.out, args.dpo if args.arm.endswith("dpo") else args.sft, args.rows)
    if not (args.out / "model" / "config.json").is_file():
        from qilin_stages.data.split import open_data
        from qilin_stages.model.tiny import make

        data = [open_data(args.sft, "sft"), open_data(args.dpo, "dpo")]
        make(args.out / "model", data, vocabulary=args.vocabulary, hidden=args.hidden, layers=args.layers)
    names = [*SFT_ARMS, *(("medicalgpt", "medicalgpt-fast") if args.medicalgpt else ()),
             *(("llamafactory", "llamafactory-neat") if args.llamafactory else ()), *DPO_ARMS]  # fmt: skip
    results: dict[str, list[dict[str, Any]]] = {}
    for _ in range(args.rounds):
        for name in args.only or names:
            results.setdefault(name, []).append(measure(name, args))
            print(results[name][-1], file=sys.stderr)
    print(table(results))
    return None


if __name__ == "__main__":
    main()
