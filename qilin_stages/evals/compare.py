"""Answers of several models side by side, as in the paper's figures 2 and 3, with sentence scores where there is a
reference: one HTML or Markdown file. What models and users wrote is escaped: it is text, never markup."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chimed.errors import DataError, UsageError
from qilin_stages.evals import prompts
from qilin_stages.evals.answers import Report, ask
from qilin_stages.evals.models import open_model
from qilin_stages.evals.runner import slug
from qilin_stages.evals.task import Answer, Item, Request
from qilin_stages.evals.text import METRICS, score

_STYLE = (
    "body{font:15px/1.6 system-ui,sans-serif;margin:2em auto;max-width:90em;padding:0 1em}"
    "table{border-collapse:collapse;width:100%;table-layout:fixed;margin:0 0 2em}"
    "th,td{border:1px solid #ccc;padding:.5em;vertical-align:top;text-align:left;white-space:pre-wrap;"
    "overflow-wrap:anywhere}small{color:#555}h2{font-size:1em}"
)


@dataclass(frozen=True)
class Compared:
    """One prompt with the answers of all models, and their scores against the reference if there is one."""

    item: Item
    answers: dict[str, Answer]
    scores: dict[str, dict[str, float]]


def read_prompts(path: Path) -> list[Item]:
    """Prompts from a text file (one a line) or JSON Lines `{"prompt", "id"?, "reference"?}`."""
    if not path.is_file():
        raise DataError(f"{path}: no such file. Give one prompt a line, or JSON Lines with `prompt`.")
    items = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), 1):
        if line.strip():
            items.append(_prompt(path, number, line))
    if not items:
        raise DataError(f"{path}: no prompt in it. Give one a line.")
    return items


def _prompt(path: Path, number: int, line: str) -> Item:
    if path.suffix not in {".json", ".jsonl"}:
        return Item(str(number), "prompts", line.strip())
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, row {number}: not JSON ({error}). Mend the row.") from None
    if not isinstance(row, dict) or not isinstance(row.get("prompt"), str) or not row["prompt"].strip():
        raise DataError(f"{path}, row {number}: expected an object with a text `prompt`. Mend the row.")
    reference = row.get("reference")
    return Item(f"{number}:{row.get('id', '')}".rstrip(":"), "prompts", row["prompt"],
                reference=reference if isinstance(reference, str) else None)  # fmt: skip


def compare(models: Sequence[str], prompts_file: Path, out: Path, report: Report) -> list[Compared]:
    """Ask every model every prompt and write `out`: Markdown if it ends in .md, else HTML.

    Raises DataError for an absent model or prompt file, UsageError for a suffix that is neither.
    """
    if out.suffix not in {".md", ".html", ".htm"}:
        raise UsageError(f"--out {out}: end it in .html or .md.")
    items = read_prompts(prompts_file)
    requests = [
        Request(i.id, prompts.huatuo(i), (("user", i.stem),), max_new_tokens=256, stop=("\n问：",)) for i in items
    ]
    given = {}
    for name in models:
        model = open_model(name, out.parent / f".{out.stem}-answers")
        folder = out.parent / f".{out.stem}-answers" / slug(name)
        given[name] = ask(model, requests, folder, report)
    compared = [_scored(item, {name: answers[item.id] for name, answers in given.items()}) for item in items]
    out.write_text((_markdown if out.suffix == ".md" else _html)(compared, models), encoding="utf-8")
    return compared


def _scored(item: Item, answers: dict[str, Answer]) -> Compared:
    if not item.reference:
        return Compared(item, answers, {})
    names = list(answers)
    scores = score([answers[n].text for n in names], [item.reference] * len(names))
    return Compared(item, answers, {n: {m: float(scores.items[m][i]) for m in METRICS} for i, n in enumerate(names)})


def _figures(compared: Compared, name: str) -> str:
    return ", ".join(f"{m} {v:.1f}" for m, v in compared.scores.get(name, {}).items())


def _shown(answer: Answer) -> str:
    return f"[no answer: {answer.error}]" if answer.error else answer.text.strip() or "[empty]"


def _html(compared: Sequence[Compared], models: Sequence[str]) -> str:
    parts = []
    for one in compared:
        cells = [("Reference", one.item.reference, "")] if one.item.reference else []
        cells += [(name, _shown(one.answers[name]), _figures(one, name)) for name in models]
        head = "".join(f"<th>{html.escape(name)}</th>" for name, _, _ in cells)
        body = "".join(f"<td>{html.escape(text or '')}\n<small>{html.escape(f)}</small></td>" for _, text, f in cells)
        parts.append(f"<h2>{html.escape(one.item.stem)}</h2>\n<table><tr>{head}</tr><tr>{body}</tr></table>")
    return (
        f'<!doctype html>\n<html lang="zh"><meta charset="utf-8"><title>Answers side by side</title>'
        f"<style>{_STYLE}</style>\n<h1>Answers side by side</h1>\n" + "\n".join(parts) + "\n</html>\n"
    )


def _markdown(compared: Sequence[Compared], models: Sequence[str]) -> str:
    parts = ["# Answers side by side\n"]
    for one in compared:
        rows = [("Reference", one.item.reference, "")] if one.item.reference else []
        rows += [(name, _shown(one.answers[name]), _figures(one, name)) for name in models]
        table = "\n".join(f"| {_cell(n)} | {_cell(t or '')} | {_cell(f)} |" for n, t, f in rows)
        parts.append(f"## {_cell(one.item.stem)}\n\n| model | answer | scores |\n|---|---|---|\n{table}\n")
    return "\n".join(parts)


def _cell(text: str) -> str:
    escaped = re.sub(r"([\\`*_\[\]#|~!])", r"\\\1", html.escape(text, quote=False))
    return escaped.replace("\r", "").replace("\n", "<br>")
