"""What a build would read, write and need; reads no row and writes nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from chimed.build import Order
from chimed.build.inputs import Input, chosen, find, known_sources, refuse_unserved
from chimed.build.workers import fitting
from chimed.records import RELEASE_NAMES, Split

# Where these come from: builds of 23 MB (cpt: 17,817 records), 9 MB (sft: 10,577) and 78 MB (450,000 short records) on
# Linux, the size of `.work` and the peak RSS looked at twice a second. Data are 0.32-0.39 of the input; sketches 450-525
# bytes and origin 35 bytes per record. Beside the release, `.work` holds the rows parsed, transformed and (cpt) without
# repeated passages: 1.8-2.1 of the input, and 100-300 bytes per record for the search of duplicates.
WRITTEN, WRITTEN_ROW = 0.4, 560
STAGED, STAGED_ROW = 2.1, 300
# The guard's index of CMExam, C-Eval and Huatuo-26M test items as they lie below `eval/`: 17 MB.
GUARD_INDEX = 17 * 2**20
# One process: 577 MB (cpt), 453 MB (50,000 short records), 637 MB (450,000), 682 MB (40 MB of long ones): at most this
# plus the slope of the two with short records. Two workers and their parent: 1,055 MB for cpt (shared pages once).
BASE_MEMORY, WORKER_MEMORY, ROW_MEMORY = 680 * 2**20, 290 * 2**20, 470
USUAL_ROW = 600

_NUMBER = re.compile(r"\d+(\.\d+)?")


def plan(order: Order) -> list[dict[str, Any]]:
    """One entry per split: sources with files and bytes, what is absent, disk and memory in bytes (estimates)."""
    sources = known_sources(order.recipe)
    refuse_unserved(sources, order.splits, order.only)
    return [
        _split(order, split, *find(chosen(sources, split, order.only), split, order.root)) for split in order.splits
    ]


def _split(order: Order, split: Split, inputs: Sequence[Input], absent: list[str]) -> dict[str, Any]:
    size = sum(item.bytes() for item in inputs)
    rows = sum(_rows(item, split) for item in inputs)
    count = order.workers or fitting(size)
    recipe = order.recipe
    evals = order.evals is not None and order.evals.is_dir()
    written = int(size * WRITTEN) + rows * WRITTEN_ROW
    index = GUARD_INDEX if evals and recipe.guard.action != "off" else 0
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
        "about_written_bytes": written,
        "about_disk_bytes": written + int(size * STAGED) + rows * STAGED_ROW + index,
        "about_memory_bytes": BASE_MEMORY + (count * WORKER_MEMORY if count > 1 else 0) + rows * ROW_MEMORY,
        "workers": count,
        "steps": {
            "clean": recipe.clean.steps or "all", "mask": recipe.mask,
            "dedup": recipe.dedup.model_dump(exclude={"priority"}),
            "guard": recipe.guard.action if evals else "no evaluation sets here: nothing would be checked",
            "validation": recipe.validation,
        },
    }  # fmt: skip


def _rows(item: Input, split: Split) -> int:
    """Records that the files become, by the size of a record in the paper's table; of another source by a usual one."""
    count, megabytes = (_NUMBER.match(words) for words in item.source.paper.get(split, ("", "")))
    if not count or not megabytes or not float(megabytes[0]):
        return item.bytes() // USUAL_ROW
    return math.ceil(item.bytes() * float(count[0]) * 1e3 / (float(megabytes[0]) * 1e6))
