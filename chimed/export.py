"""The same rows in the shapes that other trainers read: LLaMA-Factory, ms-swift, the authors' scripts, JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args

import pyarrow as pa

from chimed.errors import DataError, UsageError
from chimed.parquet import published_schema, with_features, write_shards
from chimed.records import Split
from chimed.release import Release

Row = dict[str, Any]
Target = Literal["llamafactory", "swift", "qilin", "jsonl"]
PARTS = ("train", "validation")

_TEXT = pa.string()
_HISTORY = pa.list_(pa.list_(_TEXT))
_MESSAGES = pa.list_(pa.struct([("role", _TEXT), ("content", _TEXT)]))
_REST = [(name, _TEXT) for name in ("source", "domain", "license")]
_SHAPES: dict[str, list[tuple[str, pa.DataType]]] = {
    "llamafactory": [
        *((name, _TEXT) for name in ("id", "system", "instruction", "input")),
        ("history", _HISTORY), ("chosen", _TEXT), ("rejected", _TEXT), *_REST,
    ],
    "swift": [("id", _TEXT), ("messages", _MESSAGES), ("rejected_response", _TEXT), *_REST],
}  # fmt: skip
# LLaMA-Factory: the speakers of `messages` by name (its "openai" formatting would add a system text of its own).
_TAGS = {
    "role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant",
    "system_tag": "system",
}  # fmt: skip
_PREFERENCE = {
    "system": "system", "prompt": "instruction", "query": "input", "history": "history", "chosen": "chosen",
    "rejected": "rejected",
}  # fmt: skip


def arrow_schema(split: Split, shape: str | None = None) -> pa.Schema:
    """Schema of the rows on disk, or of preference rows in the shape of `llamafactory` or `swift`."""
    return published_schema(split) if shape is None else with_features(pa.schema(_SHAPES[shape]))


def _rest(row: Row) -> Row:
    return {name: row[name] for name in ("source", "domain", "license")}


def _llamafactory(row: Row) -> Row:
    prompt = row["prompt"]
    system = prompt[0]["content"] if prompt[0]["role"] == "system" else ""
    turns = [message["content"] for message in prompt if message["role"] != "system"]
    history = [[turns[i], turns[i + 1]] for i in range(0, len(turns) - 1, 2)]
    chosen, rejected = row["chosen"][0]["content"], row["rejected"][0]["content"]
    return {"id": row["id"], "system": system, "instruction": turns[-1], "input": "", "history": history,
            "chosen": chosen, "rejected": rejected} | _rest(row)  # fmt: skip


def _swift(row: Row) -> Row:
    messages = [*row["prompt"], *row["chosen"]]
    return {"id": row["id"], "messages": messages, "rejected_response": row["rejected"][0]["content"]} | _rest(row)


def llamafactory_rows(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Published preference rows as LLaMA-Factory's ranking rows: strings, with the earlier turns in `history`."""
    return pa.RecordBatch.from_pylist(
        [_llamafactory(r) for r in batch.to_pylist()], arrow_schema("dpo", "llamafactory")
    )


def swift_rows(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Published preference rows as ms-swift's: `messages` end with the chosen reply, the other is a string."""
    return pa.RecordBatch.from_pylist([_swift(row) for row in batch.to_pylist()], arrow_schema("dpo", "swift"))


def dataset_info(split: Split, *, repo_id: str | None = None) -> Row:
    """LLaMA-Factory's `dataset_info.json`, for the release folder it lies in or for the Hub repository `repo_id`.

    "." is the folder as the datasets library loads it, by its card. Preference rows have to be exported first: the
    entry names the folder that `export` writes.
    """
    name = f"chimed_{split}"
    place: Row = {"hf_hub_url": repo_id} if repo_id else {"file_name": name} if split == "dpo" else {"script_url": "."}
    if split == "cpt":
        return {name: {**place, "columns": {"prompt": "text"}}}
    if split == "sft":
        return {name: {**place, "formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": _TAGS}}
    subset = {"subset": "llamafactory"} if repo_id else {}
    return {name: {**place, **subset, "ranking": True, "columns": _PREFERENCE}}


def _to_llamafactory(release: Release, out: Path) -> None:
    """Parquet (so that an empty `history` keeps its type) in one folder per part, and dataset_info.json beside."""
    shape = "llamafactory" if release.split == "dpo" else None
    convert = llamafactory_rows if shape else None
    info: Row = {}
    for part in PARTS:
        name = f"chimed_{release.split}" + ("" if part == "train" else f"_{part}")
        batches = (convert(b) if convert else b for b in release.batches(part))
        if write_shards(out / name, part, batches, arrow_schema(release.split, shape), content=False):
            entry = next(iter(dataset_info(release.split).values()))
            info[name] = {"file_name": name} | {k: v for k, v in entry.items() if k not in ("script_url", "file_name")}
    _write(out / "dataset_info.json", json.dumps(info, ensure_ascii=False, indent=2) + "\n")


def _swift_line(split: Split) -> Callable[[Row], Row]:
    if split == "cpt":
        return lambda row: {"messages": [{"role": "assistant", "content": row["text"]}]} | _rest(row)
    return _swift if split == "dpo" else lambda row: row


def _qilin_line(split: Split) -> Callable[[Row], Row | str]:
    """The layout of the authors' scripts: one line per text, from/value turns, one question string per pair."""
    if split == "cpt":
        return lambda row: " ".join(row["text"].splitlines())
    return _qilin_pair if split == "dpo" else _qilin_turns


def _qilin_turns(row: Row) -> Row:
    """The first turn must be an input and turns come in pairs, so a system text joins the first question."""
    messages = row["messages"]
    system = messages[0]["content"] + "\n" if messages[0]["role"] == "system" else ""
    turns = [
        {"from": "input" if message["role"] == "user" else "output", "value": message["content"]}
        for message in messages
        if message["role"] != "system"
    ]
    turns[0]["value"] = system + turns[0]["value"]
    return {"conversations": turns}


def _qilin_pair(row: Row) -> Row:
    """Earlier turns continue the script's own frame, `"Question: " + q + "\\n\\nAnswer: "`."""
    parts = [message["content"] for message in row["prompt"] if message["role"] == "system"]
    turns = [message["content"] for message in row["prompt"] if message["role"] != "system"]
    frames = [turns[0]] + [("Question: " if i % 2 == 0 else "Answer: ") + t for i, t in enumerate(turns) if i]
    question = "\n".join([*parts, "\n\n".join(frames)])
    chosen, rejected = row["chosen"][0]["content"], row["rejected"][0]["content"]
    return {"question": question, "response_chosen": chosen, "response_rejected": rejected}


def _lines(release: Release, part: str, line: Callable[[Row], Row | str]) -> Iterator[str]:
    for batch in release.batches(part):
        for row in batch.to_pylist():
            made = line(row)
            yield (made if isinstance(made, str) else json.dumps(made, ensure_ascii=False)) + "\n"


def _to_lines(release: Release, out: Path, names: dict[str, str], line: Callable[[Row], Row | str]) -> None:
    for part, name in names.items():
        if release.shards(part):
            with open(out / name, "w", encoding="utf-8", newline="\n") as f:
                f.writelines(_lines(release, part, line))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def export(release: Release, to: str, out: Path) -> list[Path]:
    """Write a release in another trainer's layout into the folder `out`; returns the files.

    Raises UsageError for an unknown layout, DataError where `out` already holds files.
    """
    if to not in get_args(Target):
        raise UsageError(f"--to {to}: no such layout. There are: {', '.join(get_args(Target))}.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out}: not an empty folder. Name another one with --out.")
    out.mkdir(parents=True, exist_ok=True)
    split = release.split
    if to == "llamafactory":
        _to_llamafactory(release, out)
    elif to == "swift":
        _to_lines(release, out, {part: f"{part}.jsonl" for part in PARTS}, _swift_line(split))
    elif to == "jsonl":
        _to_lines(release, out, {part: f"{part}.jsonl" for part in PARTS}, lambda row: row)
    else:
        name = {"cpt": "cpt{}.txt", "sft": "sft{}.jsonl", "dpo": "dpo{}.json"}[split]
        names = {"train": name.format(""), "validation": name.format("_validation")}
        _to_lines(release, out, names, _qilin_line(split))
    return sorted(path for path in out.rglob("*") if path.is_file())
