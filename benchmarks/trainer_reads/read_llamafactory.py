"""What LLaMA-Factory's loader and converters make of a repository's dataset_info.json. `… SPLIT REPO OUT`."""

import importlib.machinery
import json
import sys
import types
from pathlib import Path
from typing import Any

# Imported by its plug-in for sound, which no text row reaches; the index has no build for this torch.
for name in ("torchaudio",):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__spec__ = importlib.machinery.ModuleSpec(name, None)

from llamafactory.data.loader import _get_merged_dataset  # noqa: E402
from llamafactory.hparams import DataArguments, ModelArguments  # noqa: E402
from transformers import Seq2SeqTrainingArguments  # noqa: E402


def read(split: str, place: str, out: Path) -> list[Any]:
    """`place` is `ORG/NAME` on the Hub or a folder that `chimed export --to llamafactory` wrote."""
    directory = place if Path(place).is_dir() else f"REMOTE:{place}"
    name = f"chimed_{split}"
    found = _get_merged_dataset(
        [name], ModelArguments(model_name_or_path="none"), DataArguments(dataset=name, dataset_dir=directory),
        Seq2SeqTrainingArguments(output_dir=str(out.parent / "run"), use_cpu=True, report_to=[]),
        "rm" if split == "dpo" else "sft",
    )  # fmt: skip
    return [_row(row, split) for row in found]


def _row(row: dict[str, Any], split: str) -> dict[str, Any]:
    turns = [["system", row["_system"]]] if row["_system"] else []
    turns += [[message["role"], message["content"]] for message in row["_prompt"]]
    replies = [message["content"] for message in row["_response"]]
    if split == "dpo":
        return {"turns": turns, "chosen": replies[0], "rejected": replies[1]}
    return {"turns": [*turns, *(["assistant", reply] for reply in replies)]}


if __name__ == "__main__":
    rows = read(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    Path(sys.argv[3]).write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
