"""The rows that every training arm sees, what of them is learnt, and the loss of held-out rows by the plain equations."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

BATCH, PAIRS, PACK, HELD = 8, 4, 1024, 32
COLUMNS = {"sft": ("id", "messages"), "dpo": ("id", "prompt", "chosen", "rejected")}


def split_of(arm: str) -> Any:
    """The split that an arm trains on."""
    return "dpo" if arm.endswith("dpo") else "sft"


def rows_file(split: Any, work: Path) -> Path:
    """Where the rows of a run are kept."""
    return work / f"{split}-rows.json"


def rows_of(split: Any, work: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of this run: for training, and held out."""
    kept = json.loads(rows_file(split, work).read_text(encoding="utf-8"))
    return kept["train"], kept["held"]


def choose(split: Any, release: str, work: Path, count: int) -> None:
    """Keep rows that nobody has to cut, in seeded order."""
    from qilin_stages.data.split import open_data
    from qilin_stages.data.template import read_tokenizer
    from qilin_stages.data.tokens import Preparation, learns, tokenise

    tok, kept = read_tokenizer(work / "model"), []
    for batch in open_data(release, split).batches():
        for i, row in enumerate(tokenise(tok, batch, Preparation(split))):
            if not row["lost"] and not row["dropped"] and learns(row):
                kept.append({name: batch[name][i] for name in COLUMNS[split]})
    random.Random(0).shuffle(kept)
    chosen = {"train": kept[:count], "held": kept[count : count + HELD]}
    rows_file(split, work).write_text(json.dumps(chosen, ensure_ascii=False), encoding="utf-8")


def tokenised(split: Any, rows: list[dict[str, Any]], work: Path) -> list[dict[str, Any]]:
    """Token rows as our stages make them."""
    from qilin_stages.data.template import read_tokenizer
    from qilin_stages.data.tokens import Preparation, tokenise

    columns = {name: [row[name] for row in rows] for name in COLUMNS[split]}
    return list(tokenise(read_tokenizer(work / "model"), columns, Preparation(split)))


def lengths(split: Any, rows: list[dict[str, Any]], work: Path) -> list[tuple[int, int]]:
    """Tokens and learnt tokens of each row (of a pair: both whole sequences, and both replies)."""
    made = tokenised(split, rows, work)
    if split == "sft":
        return [(len(row["input_ids"]), sum(label != -100 for label in row["labels"])) for row in made]
    replies = [len(row["chosen"]) + len(row["rejected"]) for row in made]
    return [(2 * len(row["prompt"]) + reply, reply) for row, reply in zip(made, replies, strict=True)]


def write_conversations(folder: Path, rows: list[dict[str, Any]]) -> Path:
    """The rows in the ShareGPT layout that other trainers read."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {"user": "human", "assistant": "gpt", "system": "system"}
    lines = [{"conversations": [{"from": names[m["role"]], "value": m["content"]} for m in row["messages"]]}
             for row in rows]  # fmt: skip
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (folder / "train.jsonl").write_text(text, encoding="utf-8")
    return folder


def unshuffled(rows: list[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """The order to write rows in, so that `Dataset.shuffle(seed)` gives them as they are."""
    from datasets import Dataset

    order = Dataset.from_dict({"i": list(range(len(rows)))}).shuffle(seed=seed)["i"]
    written = list(rows)
    for place, row in zip(order, rows, strict=True):
        written[place] = row
    return written


def held_out_loss(split: Any, adapter: Path | None, work: Path) -> float:
    """The loss of a saved adapter (None: of the untrained model) on held-out rows, one at a time in plain torch."""
    import torch

    from qilin_stages.model.adapters import attach
    from qilin_stages.model.base import load

    model = load(work / "model")
    model = (attach(model, adapter) if adapter else model).float().eval()
    made = tokenised(split, rows_of(split, work)[1], work)
    with torch.no_grad():
        return _pairs(model, made) if split == "dpo" else _answers(model, made)


def _answers(model: Any, made: list[dict[str, Any]]) -> float:
    scored = [_log_probabilities(model, row["input_ids"], row["labels"]) for row in made]
    return -sum(float(scores.sum()) for scores in scored) / sum(len(scores) for scores in scored)


def _pairs(model: Any, made: list[dict[str, Any]], beta: float = 0.1) -> float:
    from torch.nn.functional import logsigmoid

    total = 0.0
    for row in made:
        gains = []
        for side in ("chosen", "rejected"):
            ids, labels = row["prompt"] + row[side], [-100] * len(row["prompt"]) + row[side]
            new = _log_probabilities(model, ids, labels).sum()
            with model.disable_adapter():
                gains.append(new - _log_probabilities(model, ids, labels).sum())
        total -= float(logsigmoid(beta * (gains[0] - gains[1])))
    return total / len(made)


def _log_probabilities(model: Any, ids: list[int], labels: list[int]) -> Any:
    import torch

    scores = torch.log_softmax(model(input_ids=torch.tensor([ids])).logits[0, :-1], -1)
    targets = torch.tensor(labels[1:])
    places = (targets != -100).nonzero()[:, 0]
    return scores[places, targets[places]]
