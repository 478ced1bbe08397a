"""Results as tables: models, floors under them, the paper's rows, then intervals, tests, overlap and option order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

SHOWN = {
    "cmexam": ("accuracy", "weighted_f1", "answered", "accuracy_single", "accuracy_multiple", "accuracy_logprob"),
    "ceval": ("macro", "accuracy", "weighted_f1", "answered"),
    "cmexam-explanation": ("bleu1", "bleu4", "rouge1", "rouge2", "rougeL", "length_ratio"),
    "huatuo": ("bleu1", "bleu4", "rouge1", "rouge2", "rougeL", "length_ratio"),
    "safety": ("as_expected", "refusal", "referral"),
}
Table = Callable[[str, list[str], list[list[Any]]], None]


def columns(result: dict[str, Any]) -> list[str]:
    """The figures to show of a task, in order; of a plug-in's task all plain numbers."""
    if result["task"] in SHOWN:
        return list(SHOWN[result["task"]])
    first: dict[str, Any] = next(iter(result["models"].values()), {})
    return [k for k, v in first.items() if isinstance(v, int | float) and k != "n"]


def body(result: dict[str, Any]) -> list[list[str]]:
    """Rows of a task's table: kind, name, n, and each figure with its interval where there is one."""
    shown = columns(result)
    groups = [("model", result["models"]), ("floor", result["floors"])]
    groups.append(("paper", {k: _paper(v) for k, v in result["paper"].get("rows", {}).items()}))
    return [
        [kind, name, str(row.get("n", "")), *(cell(row, column) for column in shown)]
        for kind, rows in groups
        for name, row in rows.items()
    ]


def cell(row: dict[str, Any], name: str) -> str:
    """A figure with two decimals and its interval."""
    value = row.get(name)
    if not isinstance(value, int | float):
        return "–"
    low_high = row.get(f"{name}_ci")
    return f"{value:.2f}" + (f" [{low_high[0]:.1f}, {low_high[1]:.1f}]" if low_high else "")


def notes(result: dict[str, Any]) -> list[str]:
    """What must stand under the table: the paper's note, signatures, faults, tests, clean and dirty, option order."""
    out = [f"paper, {p['table']}: {p['note']}"] if (p := result["paper"]) else []
    official = result.get("official_n")
    if official and official != result["n"]:
        out.append(f"{result['n']:,} items, the official file has {official:,}: not the whole set")
    for name, row in result["models"].items():
        if row.get("label") or row.get("signature") or row.get("average"):
            out.append(f"{name}: {row.get('label') or row.get('signature') or row.get('average')}")
        said = {k: row[k] for k in ("tiers", "empty", "looping", "errors", "notes", "without_key") if row.get(k)}
        out += [f"{name}: {said}"] if said else []
    for test in result["comparisons"]:
        low, high = test["ci"]
        out.append(
            f"{test['from']} -> {test['to']}: {test['metric']} {test['difference']:+.2f} [{low:+.2f}, {high:+.2f}], "
            f"p = {test['p']:.3g}, Holm {test['p_holm']:.3g} ({test['test']}, n = {test['n']})"
        )
    for name, two in result.get("overlap", {}).items():
        for part, row in two.items():
            figures = ", ".join(f"{c} {cell(row, c)}" for c in columns(result)[:2]) if row else "no items"
            out.append(f"{name}, {part} items (n = {row['n'] if row else 0}): {figures}")
    for name, row in result.get("option_order", {}).items():
        out.append(f"{name}, option order: {row}")
    return out


def print_results(results: dict[str, Any], table: Table, say: Callable[[str], None]) -> None:
    """Print every task's table and notes."""
    for result in results["tasks"]:
        title = f"{result['task']}, protocol {results['protocol']}, n = {result['n']}"
        table(title, ["", "name", "n", *columns(result)], [list(row) for row in body(result)])
        for note in notes(result):
            say(note)


def _paper(row: dict[str, Any]) -> dict[str, Any]:
    return {"macro": row.get("average"), **row}
