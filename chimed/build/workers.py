"""Runs the parts of a step here or in worker processes; the outcome never depends on how many there are."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chimed.engine import Engine

BYTES_PER_WORKER = 64 * 2**20

Run = Callable[[Callable[..., Any], Iterable[tuple[Any, ...]]], Iterator[Any]]


def fitting(input_bytes: int) -> int:
    """How many workers pay: one up to 64 MB of input, then one more per 64 MB up to the number of cores."""
    return max(1, min(os.cpu_count() or 1, 1 + input_bytes // BYTES_PER_WORKER))


def call_then_collect(function: Callable[..., Any], *call: Any) -> Any:
    """Call with the cycle collector at rest, then let it run once.

    A part holds tens of thousands of short-lived records without cycles; looking through them again and again while
    they come costs a third of the time. What was there before (modules, mostly) is never looked through at all.
    """
    gc.freeze()
    gc.disable()
    try:
        return function(*call)
    finally:
        gc.enable()
        gc.collect()
        gc.unfreeze()


def _here(function: Callable[..., Any], calls: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
    for call in calls:
        yield call_then_collect(function, *call)


@contextmanager
def workers(count: int, where: Engine) -> Iterator[Run]:
    """A runner `run(function, calls)` that yields one result per call, in any order."""
    if where == "ray":
        from chimed import engine

        with engine.tasks() as run:
            yield run
        return
    if count == 1:
        yield _here
        return
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(count, mp_context=context) as pool:

        def run(function: Callable[..., Any], calls: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
            """Never more than twice as many calls under way as there are workers, so that memory stays bounded."""
            pending: set[Future[Any]] = set()
            for call in calls:
                pending.add(pool.submit(call_then_collect, function, *call))
                if len(pending) >= 2 * count:
                    finished, pending = wait(pending, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in finished)
            while pending:
                finished, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in finished)

        yield run
