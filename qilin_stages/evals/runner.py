"""An evaluation: every model on every task, with floors, intervals, paired tests and the paper's figures beside.

OUT/results.json                        everything in the tables, the same bytes for the same command
    <model>/<task>.<protocol>.parquet   one row per item: prompt, answer, what was read in it, scores
    <model>/ceval-submission.json       C-Eval's legacy format
    answers/                            what was asked and answered, so that a killed run goes on
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chimed.errors import UsageError
from qilin_stages.evals import order, overlap, paired, published
from qilin_stages.evals.answers import ask
from qilin_stages.evals.models import Model, open_model
from qilin_stages.evals.task import Item, Mode, Row, Task, load, names

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Settings:
    """What an evaluation is asked to do. `shifts` > 1 adds cyclic shifts of the options of choice tasks."""

    models: Sequence[str]
    tasks: Sequence[str]
    data: Path
    out: Path
    protocol: Mode = "sound"
    limit: int | None = None
    shifts: int = 1
    overlap: Sequence[Path] = ()


def evaluate(settings: Settings, progress: Progress) -> dict[str, Any]:
    """Run the evaluation and write its files; returns what results.json holds.

    Raises UsageError for an unknown task or a model named twice, DataError for absent data or models.
    """
    if settings.protocol not in {"sound", "paper"}:
        raise UsageError(f"--protocol {settings.protocol}: not known. Use sound or paper.")
    if len(set(settings.models)) != len(settings.models):
        raise UsageError("a model is named twice. Name each once; stages are compared in the order given.")
    if not settings.tasks:
        raise UsageError(f"-t: no task is named. There are: {', '.join(names())}.")
    tasks = [load(name) for name in settings.tasks]
    dirty = overlap.contaminated(settings.overlap) if settings.overlap else None
    asked = {task.name: task.items(settings.data, settings.limit) for task in tasks}
    rows: dict[str, dict[str, list[Row]]] = {task.name: {} for task in tasks}
    shifts: dict[str, dict[str, Any]] = {task.name: {} for task in tasks}
    for spec in settings.models:
        model = open_model(spec, settings.out / "answers")
        for task in tasks:
            rows[task.name][spec] = judged = _run(model, task, asked[task.name], settings, progress)
            if settings.shifts > 1 and judged and "extracted" in judged[0]:
                shifts[task.name][spec] = _shifts(model, task, asked[task.name], settings, progress)
        del model
    results = {
        "protocol": settings.protocol, "models": list(settings.models), "limit": settings.limit,
        "tasks": [
            _result(task, asked[task.name], rows[task.name], settings.protocol, dirty) | _shown(shifts[task.name])
            for task in tasks
        ],
    }  # fmt: skip
    _write_json(settings.out / "results.json", results)
    return results


def slug(spec: str) -> str:
    """A folder name for a model: its last name and a hash of the whole."""
    last = re.sub(r"[^\w.-]+", "-", spec.rstrip("/").split("@")[0].rsplit("/", 1)[-1]).strip("-.") or "model"
    return f"{last[:40]}-{hashlib.sha256(spec.encode()).hexdigest()[:6]}"


def _run(model: Model, task: Task, items: Sequence[Item], settings: Settings, progress: Progress) -> list[Row]:
    requests = task.requests(items, settings.data, settings.protocol)
    place = settings.out / "answers" / slug(model.name) / f"{task.name}.{settings.protocol}"
    answers = ask(model, requests, place, lambda done, total: progress(done, total, f"{model.name} {task.name}"))
    rows = task.judge(items, answers, settings.protocol)
    folder = settings.out / slug(model.name)
    prompts = {request.id: request.prompt for request in requests}
    _write_rows(folder / f"{task.name}.{settings.protocol}.parquet", rows, prompts)
    if hasattr(task, "submission"):
        _write_json(folder / f"{task.name}-submission.json", task.submission(rows))
    return rows


def _shifts(model: Model, task: Task, items: Sequence[Item], settings: Settings, progress: Progress) -> dict[str, Any]:
    fixed = [item for item in items if order.movable(item)]
    runs = []
    for by in range(settings.shifts):
        moved = [order.shifted(item, by) for item in fixed]
        requests = [r for r in task.requests(moved, settings.data, settings.protocol) if not r.id.endswith("#letters")]
        place = settings.out / "answers" / slug(model.name) / f"{task.name}.{settings.protocol}.shift{by}"
        words = f"{model.name} {task.name}, options moved by {by}"
        answers = ask(model, requests, place, lambda done, total, words=words: progress(done, total, words))  # type: ignore[misc]
        runs.append(task.judge(moved, answers, settings.protocol))
    return order.robustness(fixed, runs)


def _shown(shifts: dict[str, Any]) -> dict[str, Any]:
    return {"option_order": shifts} if shifts else {}


def _result(
    task: Task, items: Sequence[Item], rows: dict[str, list[Row]], protocol: Mode, dirty: set[tuple[str, str]] | None
) -> dict[str, Any]:
    floors = {name: task.summary(items, judged, protocol) for name, judged in task.floors(items, protocol).items()}
    result = {
        "task": task.name, "n": len(items), "official_n": published.COUNTS.get(task.name), "models": {s: task.summary(items, r, protocol) for s, r in rows.items()},
        "floors": floors, "paper": published.rows(task.name, protocol), "comparisons": paired.compare(rows, protocol),
    }  # fmt: skip
    if dirty is not None:
        result["overlap"] = {s: overlap.parts(task, items, r, protocol, dirty) for s, r in rows.items()}
    return result


def _write_rows(path: Path, rows: Sequence[Row], prompts: dict[str, str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist([{"prompt": prompts.get(row["id"], ""), **row} for row in rows])
    part = path.with_name(path.name + ".part")
    pq.write_table(table, part, compression="zstd")
    part.replace(path)


def _write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, ensure_ascii=False, indent=1, sort_keys=False) + "\n", encoding="utf-8")
    part.replace(path)
