"""Training arms of other projects: their own scripts in their own processes, timed from inside by one patched call."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from training_arms import RATES, Rows, common
from training_rows import BATCH, PACK, unshuffled, write_conversations

# Runs inside the other project's process: times its one call of Trainer.train and says so on stderr.
TIMER = """
import json, runpy, sys, time, transformers
plain = transformers.Trainer.train
def timed(self, *a, **k):
    start = time.process_time()
    result = plain(self, *a, **k)
    seconds = time.process_time() - start
    losses = [float(line["loss"]) for line in self.state.log_history if "loss" in line]
    print(json.dumps({"seconds": seconds, "steps": self.state.global_step, "losses": losses}), file=sys.stderr)
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


def medicalgpt(name: str, clone: Path, work: Path, train: Rows) -> list[str]:
    """MedicalGPT's own script on a CPU in fp32, with its shell file's checkpointing or without.

    The tokenizer's template instead of one of its own, which would put an English system prompt before every row; a
    validation folder, or it would take rows from training; rows written so that its shuffle restores our order.
    """
    found = sorted(clone.rglob("supervised_finetuning.py"))
    if not found:
        raise SystemExit(f"{clone}: no supervised_finetuning.py; give a clone of MedicalGPT.")
    data = str(write_conversations(work / "medicalgpt", unshuffled(train, 42)))
    options = common(work / "out" / name, BATCH) | {
        "model_name_or_path": work / "model", "train_file_dir": data, "validation_file_dir": data, "do_train": True,
        "use_peft": True, "model_max_length": PACK, "target_modules": "all", "lora_rank": 8, "lora_alpha": 32,
        "lora_dropout": 0.05, "torch_dtype": "float32", "device_map": None, "cache_dir": work / "cache" / name,
        "gradient_checkpointing": name == "medicalgpt",
    }  # fmt: skip
    return [
        sys.executable,
        "-c",
        TIMER,
        str(found[0]),
        *(word for k, v in options.items() for word in (f"--{k}", str(v))),
    ]


def llamafactory(name: str, python: Path, work: Path, train: Rows) -> list[str]:
    """LLaMA-Factory in fp32: with the checkpointing that it has by default, without, or packed without."""
    data, neat = write_conversations(work / "llamafactory", train), name == "llamafactory-neat"
    info = {"rows": {"file_name": "train.jsonl", "formatting": "sharegpt"}}
    (data / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    settings = common(work / "out" / name, 1 if neat else BATCH, RATES["sft"]) | {
        "model_name_or_path": str(work / "model"), "stage": "sft", "do_train": True, "finetuning_type": "lora",
        "lora_rank": 8, "lora_alpha": 32, "lora_dropout": 0.05, "lora_target": "all", "template": "qwen",
        "default_system": "", "dataset": "rows", "dataset_dir": str(data), "cutoff_len": PACK, "overwrite_cache": True,
        "packing": neat, "neat_packing": neat, "disable_shuffling": True,
        "disable_gradient_checkpointing": name != "llamafactory",
    }  # fmt: skip
    file = work / f"{name}.yaml"  # JSON is YAML
    file.write_text(json.dumps(settings), encoding="utf-8")
    return [str(python), "-c", TIMER, "-m", "llamafactory.cli", "train", str(file)]


def figures(stderr: str) -> dict[str, Any]:
    """What the timer said; SystemExit with the end of the log where it said nothing."""
    said = next((line for line in reversed(stderr.splitlines()) if line.startswith('{"seconds"')), None)
    if said is None:
        raise SystemExit(f"it did not train: {stderr[-3000:]}")
    return dict(json.loads(said))


def commit(clone: Path) -> str:
    """The commit of a clone."""
    done = subprocess.run(["git", "-C", str(clone), "rev-parse", "--short=8", "HEAD"], capture_output=True, text=True,
                          check=False)  # fmt: skip
    return done.stdout.strip() or "of unknown commit"


def versions(python: Path, names: tuple[str, ...]) -> str:
    """Versions of packages in another environment."""
    code = "import importlib.metadata as m, sys; print(', '.join(f'{n} {m.version(n)}' for n in sys.argv[1:]))"
    done = subprocess.run([str(python), "-c", code, *names], capture_output=True, text=True, check=True)
    return done.stdout.strip()
