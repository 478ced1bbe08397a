"""Megabytes per second of CPU time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
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
