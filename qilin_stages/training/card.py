"""The model card of a run, from run.json and metrics.jsonl alone: what it was trained on, how, and what it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qilin_stages import lineage
from qilin_stages.training.watching import read_metrics

_HEAD = """\
---
library_name: transformers
pipeline_tag: text-generation
language: [zh]
tags: [medical, chinese, {stage}]
---
# {name}

Trained by the stage `{stage}` on {data}. It is a research model: it is no doctor, its answers are not checked by one,
and nothing it says may decide a treatment. 本模型仅供研究，不能代替医生的诊断和治疗建议。

| | |
|---|---|
"""


def write_card(run: Path) -> None:
    """Write RUN/README.md."""
    (run / "README.md").write_text(render(lineage.read(run), read_metrics(run), run.name), encoding="utf-8")


def render(record: dict[str, Any], metrics: list[dict[str, Any]], name: str) -> str:
    """The card's text."""
    data, train = record["data"], record["recipe"]["train"]
    named = f"{data['split']} rows of {Path(data['named']).name} ({data['rows']:,} rows)"
    rows = [f"| {key} | {value} |" for key, value in _facts(record, metrics).items()]
    chain = record["parent"]
    parent = f"`{chain['named']}`" + (f", a {chain['stage']} run" if chain["stage"] else "")
    settings = [f"| {key} | `{value}` |" for key, value in train.items() if value not in (None, {})]
    return (_HEAD.format(stage=record["stage"], name=name, data=named) + "\n".join(rows)
            + f"\n\nStarts from {parent}.\n\n## Settings\n\n| argument | value |\n|---|---|\n" + "\n".join(settings)
            + "\n\n## Versions\n\n" + ", ".join(f"{k} {v}" for k, v in record["versions"].items()) + "\n")  # fmt: skip


def _facts(record: dict[str, Any], metrics: list[dict[str, Any]]) -> dict[str, Any]:
    data = record["data"]
    losses = [line["loss"] for line in metrics if "loss" in line]
    shown = {
        "recipe": record["recipe"]["recipe"],
        "data revision": data["revision"] or data["version"],
        "data SHA-256": data["content_sha256"],
        "tokens of one epoch": f"{data['tokens']:,}" if "tokens" in data else None,
        "rows cut": f"{data['cut_rows']:,}" if "cut_rows" in data else None,
        "steps": f"{record['step']:,} of {record['max_steps']:,}",
        "processes": record["world_size"],
        "loss, first and last log": f"{losses[0]:.4f}, {losses[-1]:.4f}" if losses else None,
        "chat template SHA-256": record["chat_template"]["sha256"],
        "tokenizer SHA-256": record["tokenizer_sha256"],
    }
    return {key: value for key, value in shown.items() if value is not None}
