"""`make demo`: builds the three releases from the packaged sample and tells what happened on the way."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from chimed import packaged, recipe
from chimed.build import Order, build
from chimed.console import print_table, progress
from chimed.look import look
from chimed.records import SPLITS
from chimed.release import Release
from chimed.statistics import stats
from chimed.trace import trace

OUT = Path("build")
LONGEST = 400


def main() -> None:
    """Build, then print the paper's tables, one changed record before and after, the losses, and the reports."""
    sample = packaged.folder("sample")
    with progress("build the sample") as report:
        order = Order(splits=SPLITS, root=sample, out=OUT, recipe=recipe.load(), evals=sample / "eval", report=report)
        releases, _ = build(order)
    for number, release in enumerate(releases, start=1):
        table(number, release)
    losses(releases)
    for release in releases:
        if before_and_after(release):
            break
    command = os.path.relpath(Path(sys.executable).with_name("chimed"))  # it need not be on the path
    print_lines("Next", [*(f"{release.path}/report.html" for release in releases),
                         f"{command} look {releases[0].path} -n 3", f"{command} validate {releases[1].path}"])  # fmt: skip


def print_lines(title: str, lines: list[str]) -> None:
    """A heading and some lines on stdout."""
    print(f"\n{title}\n" + "\n".join(f"  {line}" for line in lines))  # noqa: T201


def table(number: int, release: Release) -> None:
    """The paper's Table 1, 2 or 3, ours beside it."""
    result = stats(release)
    head = ["source", "read", "samples", "MB", "paper samples", "paper MB"]
    keys = ["source", "read", "samples", "megabytes", "paper_samples", "paper_megabytes"]
    print_table(f"Table {number}: {release.manifest.name}", head, [[row[k] for k in keys] for row in result["sources"]])


def losses(releases: list[Release]) -> None:
    """Why rows were lost, over all releases."""
    lost: Counter[str] = Counter()
    for release in releases:
        for entry in release.manifest.sources:
            lost.update(entry.lost)
    print_table("Lost rows by reason", ["reason", "rows"], [[reason, n] for reason, n in lost.most_common()])


def before_and_after(release: Release) -> bool:
    """Print one record that was both cleaned and masked; whether there was one."""
    for batch in release.origins(["id", "steps"]):
        for row in batch.to_pylist():
            steps = {step["step"].split(".")[0] for step in json.loads(row["steps"])}
            if {"clean", "mask"} <= steps:
                found = trace(release, row["id"])
                shown = [f"{s['step']}: {s['did']}" for s in found["steps"]]
                print_lines(f"One record of {release.manifest.name}, upstream", [found["raw"][:LONGEST]])
                print_lines("published", [text[:LONGEST] for text in _texts(look(release, row["id"])[0])])
                print_lines("what was done to it", shown)
                return True
    return False


def _texts(row: dict[str, Any]) -> list[str]:
    if "text" in row:
        return str(row["text"]).splitlines()
    messages = row.get("messages") or [*row["prompt"], *row["chosen"], *row["rejected"]]
    return [f"[{message['role']}] {message['content']}" for message in messages]


if __name__ == "__main__":
    main()
