"""What Axolotl's loaders and prompt strategies make of a repository: type chat_template. `read_axolotl.py SPLIT REPO OUT`."""

import json
import sys
from pathlib import Path
from typing import Any

import byte_tokenizer
from axolotl.utils.data.rl import _load_split
from axolotl.utils.data.sft import _load_raw_datasets
from axolotl.utils.dict import DictDefault


def settings(split: str, repo: str, folder: Path) -> Any:
    """The `datasets:` part of a configuration, as its documentation has it, and what the loaders read beside it."""
    fields = {"message_property_mappings": {"role": "role", "content": "content"}}
    if split == "sft":
        entry = {"type": "chat_template", "field_messages": "messages", **fields, "split": "train"}
    else:
        # The part is named, as in its own examples: without it the loader gets every part at once.
        entry = {"type": "chat_template.default", "field_messages": "prompt", **fields, "split": "train"}
    return DictDefault({
        "datasets": [{"path": repo, **entry}], "rl": "dpo" if split == "dpo" else None, "sequence_len": 10**6,
        "base_model": str(folder), "tokenizer_config": str(folder), "base_model_config": str(folder),
        "chat_template": "tokenizer_default", "hf_use_auth_token": True, "seed": 42, "dataset_num_proc": 1,
        "dataset_prepared_path": str(folder / "prepared"), "is_preprocess": True, "train_on_inputs": False,
        "special_tokens": {}, "num_epochs": 1,
    })  # fmt: skip


def sft(cfg: Any) -> list[Any]:
    """Turns read back from the tokens; what carries loss must be the assistants' words."""
    tokenizer = byte_tokenizer.make()
    data, _ = _load_raw_datasets(cfg, cfg.datasets, tokenizer, "train")
    rows = []
    for row in data:
        turns = byte_tokenizer.turns(byte_tokenizer.decode(tokenizer, row["input_ids"]))
        learnt = byte_tokenizer.decode(tokenizer, [label for label in row["labels"] if label != -100])
        said = "".join(content + "<|im_end|>" for role, content in turns if role == "assistant")
        if learnt.replace("\n", "") != said.replace("\n", ""):
            sys.exit(f"the loss is not on the assistants' turns: {learnt[:200]!r} for {said[:200]!r}")
        rows.append({"turns": turns})
    return rows


def dpo(cfg: Any) -> list[Any]:
    rows = []
    for row in _load_split(cfg, "train"):
        asked = row["prompt"].removesuffix("<|im_start|>assistant\n")
        sides = {name: row[name].removesuffix("<|im_end|>") for name in ("chosen", "rejected")}
        rows.append({"turns": byte_tokenizer.turns(asked)} | sides)
    return rows


if __name__ == "__main__":
    split, repo, out = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    folder = out.parent / "axolotl-model"
    byte_tokenizer.save(folder)
    rows = (sft if split == "sft" else dpo)(settings(split, repo, folder))
    out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
