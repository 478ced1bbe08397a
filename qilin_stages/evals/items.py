"""Evaluation items from the upstream files, read by the data side's own readers."""

from __future__ import annotations

from pathlib import Path

from chimed.errors import DataError
from qilin_stages.evals.task import Item


def read(data: Path, name: str) -> list[Item]:
    """The items of the set `name` under `data`, with ids made unique; DataError if it is absent or broken."""
    from chimed.evalsets import read_items

    items = [
        Item(
            id=row.id, set=name, stem=row.stem, options=dict(row.options), answer=row.answer or None,
            reference=row.reference, subject=row.subject or "", split=row.split,
        )
        for row in read_items(data, name)
    ]  # fmt: skip
    if not items:
        raise DataError(f"{data / name}: no item could be read. Put the upstream file of {name} there.")
    return unique(items)


def unique(items: list[Item]) -> list[Item]:
    """Items whose ids stand once: a repeated id gets a counter."""
    seen: dict[str, int] = {}
    out = []
    for item in items:
        seen[item.id] = n = seen.get(item.id, 0) + 1
        out.append(item if n == 1 else Item(**{**item.__dict__, "id": f"{item.id}~{n}"}))
    return out
