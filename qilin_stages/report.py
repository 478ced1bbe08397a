"""One HTML file of a chain of runs: curves of all stages, and the paper's Tables 4-6 beside ours, with notes.

It needs no network. All text is escaped; curves are inline SVG drawn from metrics.jsonl, tables come from the
results.json of an evaluation.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chimed.errors import DataError
from qilin_stages.evals import published, tables

RESULTS = "results.json"
METRICS = "metrics.jsonl"
_CURVES = ("loss", "eval_loss", "accuracy", "eval_accuracy", "learning_rate", "grad_norm")
_COLOURS = ("#0b6", "#06c", "#c40", "#808", "#a80", "#555")
_STYLE = (
    "body{font:15px/1.6 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 1em}"
    "table{border-collapse:collapse;margin:1em 0}th,td{border:1px solid #ccc;padding:.3em .6em;text-align:left}"
    "td:nth-child(n+3){text-align:right}tr.floor{color:#666}tr.paper{background:#f4f4f4}"
    "li{color:#444;font-size:.9em}svg{max-width:100%;margin:.5em}figure{display:inline-block;margin:0}"
)


def write_report(folders: Sequence[Path], out: Path) -> Path:
    """Write the report of runs and evaluations.

    Results are looked for in each folder, in its `evaluation/`, and, where none has any, in ./evaluation.
    Raises DataError where a folder holds neither curves nor results.
    """
    found = {folder: (_metrics(folder), _results(folder)) for folder in folders}
    for folder, (lines, results) in found.items():
        if not lines and not results:
            raise DataError(f"{folder}: neither {METRICS} of a run nor {RESULTS} of an evaluation in it.")
    evaluations = [results for _, results in found.values() if results]
    if not evaluations and (near := _results(Path("evaluation"))):
        evaluations = [near]
    curves = [_run_curves(folder, lines) for folder, (lines, _) in found.items() if lines]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(_page(curves, [_tables(e) for e in evaluations] or [_paper_alone()]), encoding="utf-8")
    return out


def _results(folder: Path) -> dict[str, Any] | None:
    for file in (folder / RESULTS, folder / "evaluation" / RESULTS):
        if file.is_file():
            try:
                value: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
                value["tasks"], value["protocol"]
            except (json.JSONDecodeError, KeyError, TypeError):
                raise DataError(f"{file}: not the results of an evaluation. Run qilin-stage eval again.") from None
            return value
    return None


def _metrics(folder: Path) -> list[dict[str, Any]]:
    file = folder / METRICS
    if not file.is_file():
        return []
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            value = json.loads(line)
        except json.JSONDecodeError:  # the last line of a killed run may be cut
            continue
        if isinstance(value, dict) and isinstance(value.get("step"), int | float):
            lines.append(value)
    return lines


def _run_curves(folder: Path, lines: list[dict[str, Any]]) -> str:
    figures = []
    for name in _CURVES:
        points = [(float(v["step"]), float(v[name])) for v in lines if isinstance(v.get(name), int | float)]
        if points:
            figures.append(_svg(name, points, _COLOURS[_CURVES.index(name)]))
    return f"<h3>{html.escape(folder.name)}</h3>\n" + "\n".join(figures)


def _svg(name: str, points: list[tuple[float, float]], colour: str, width: int = 340, height: int = 200) -> str:
    """One curve with its lowest and highest values on the axes."""
    xs, ys = [x for x, _ in points], [y for _, y in points if y == y]
    if not ys:
        return ""
    left, right, low, high = min(xs), max(xs), min(ys), max(ys)
    across, up = (right - left) or 1, (high - low) or 1
    path = " ".join(
        f"{50 + (x - left) / across * (width - 65):.1f},{height - 30 - (y - low) / up * (height - 55):.1f}"
        for x, y in points
        if y == y
    )
    label = html.escape(name)
    return (
        f'<figure><svg role="img" aria-label="{label} by step" width="{width}" height="{height}" '
        f'font-size="11" font-family="sans-serif"><text x="50" y="14" font-weight="bold">{label}</text>'
        f'<path d="M50 20V{height - 30}H{width - 15}" fill="none" stroke="#999"/>'
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        f'<text x="46" y="28" text-anchor="end">{high:.4g}</text>'
        f'<text x="46" y="{height - 30}" text-anchor="end">{low:.4g}</text>'
        f'<text x="50" y="{height - 14}">{left:g}</text>'
        f'<text x="{width - 15}" y="{height - 14}" text-anchor="end">step {right:g}</text></svg></figure>'
    )


def _tables(results: dict[str, Any]) -> str:
    parts = []
    for result in results["tasks"]:
        named = published.TABLES.get(result["task"], {}).get("table", "")
        title = f"{named + ': ' if named else ''}{result['task']}, protocol {results['protocol']}, n = {result['n']}"
        rows = [["", "name", "n", *tables.columns(result)], *tables.body(result)]
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in tables.notes(result))
        parts.append(f"<h3>{html.escape(title)}</h3>\n{_table(rows)}\n{_subjects(result)}<ul>{notes}</ul>")
    return "\n".join(parts)


def _subjects(result: dict[str, Any]) -> str:
    """C-Eval by subject, one column a model."""
    models = {name: row["subjects"] for name, row in result["models"].items() if row.get("subjects")}
    if not models:
        return ""
    subjects = list(next(iter(models.values())))
    rows = [["subject", "", *models]]
    rows += [[s, f"n = {next(iter(models.values()))[s]['n']}", *(f"{m[s]['accuracy']:.2f}" for m in models.values())]
             for s in subjects]  # fmt: skip
    return f"<details><summary>by subject</summary>{_table(rows)}</details>\n"


def _paper_alone() -> str:
    parts = ["<p>No evaluation of these runs was found; the paper's figures stand alone.</p>"]
    for task, paper in published.TABLES.items():
        empty = {"task": task, "models": {}, "floors": {}, "paper": paper}
        if paper["rows"]:
            rows = [["", "name", "n", *tables.columns(empty)], *tables.body(empty)]
            parts.append(f"<h3>{paper['table']}: {task}</h3>\n{_table(rows)}\n<p>{html.escape(paper['note'])}</p>")
    return "\n".join(parts)


def _table(rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in rows[0])
    body = "".join(
        f'<tr class="{html.escape(row[0])}">' + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows[1:]
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _page(curves: Sequence[str], evaluations: Sequence[str]) -> str:
    shown = "<h2>Curves</h2>\n" + "\n".join(curves) if curves else ""
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Qilin stages: report</title>'
        f"<style>{_STYLE}</style>\n<h1>Report</h1>\n{shown}\n<h2>Tables 4-6, ours beside the paper's</h2>\n"
        "<p>Floors are answers that need no model: a score means something only above them. "
        "Brackets hold 95 % intervals.</p>\n" + "\n".join(evaluations) + "\n</html>\n"
    )
