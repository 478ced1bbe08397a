"""What a build would read, write and need; reads no row and writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chimed.build import Order
from chimed.build.inputs import Input, chosen, find, known_sources
from chimed.build.workers import fitting
from chimed.records import RELEASE_NAMES, Split

# Measured on the upstream files (benchmarks/RESULTS.md): Parquet per byte of input, staged files per byte of input.
WRITTEN, STAGED = 0.5, 1.6
ROW_BYTES, BASE_MEMORY = 380, 700 * 2**20


def plan(order: Order) -> list[dict[str, Any]]:
    """One entry per split: sources with files and bytes, what is absent, disk and memory in bytes (estimates)."""
    sources = known_sources(order.recipe)
    return [
        _split(order, split, *find(chosen(sources, split, order.only), split, order.root)) for split in order.splits
    ]


def _split(order: Order, split: Split, inputs: Sequence[Input], absent: list[str]) -> dict[str, Any]:
    size = sum(item.bytes() for item in inputs)
    rows = sum(item.source.expected or item.bytes() // 600 for item in inputs)
    recipe = order.recipe
    evals = order.evals is not None and order.evals.is_dir()
    return {
        "split": split,
        "release": RELEASE_NAMES[split],
        "sources": [
            {"source": i.source.name, "files": list(i.files), "bytes": i.bytes(), "expected": i.source.expected,
             "license": i.source.license, "redistributable": i.source.redistributable}
            for i in inputs
        ],
        "absent": absent,
        "read_bytes": size,
        "about_written_bytes": int(size * WRITTEN),
        "about_disk_bytes": int(size * (WRITTEN + 2 * STAGED)),
        "about_memory_bytes": BASE_MEMORY + min(rows, size // 100) * ROW_BYTES,
        "workers": order.workers or fitting(size),
        "steps": {
            "clean": recipe.clean.steps or "all", "mask": recipe.mask,
            "dedup": recipe.dedup.model_dump(exclude={"priority"}),
            "guard": recipe.guard.action if evals else "no evaluation sets here: nothing would be checked",
            "validation": recipe.validation,
        },
    }  # fmt: skip
