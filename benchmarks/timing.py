"""Megabytes per second of CPU time, and where a benchmark puts its page."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

Row = TypeVar("Row")


def speed(step: Callable[[Row], object], rows: Sequence[Row], size: float, rounds: int) -> float:
    """MB/s of a step over all rows (`size` in MB), the median of the rounds."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        for row in rows:
            step(row)
        times.append(time.process_time() - start)
    return size / statistics.median(times)


def processor() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def write_page(name: str, lines: Sequence[str]) -> None:
    """Print the page of a benchmark and keep it in results/, from where RESULTS.md is put together."""
    text = "\n".join(lines) + "\n"
    print(text)
    (Path(__file__).resolve().parent / "results" / f"{name}.md").write_text(text, encoding="utf-8")
