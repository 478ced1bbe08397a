"""Jobs that wait for one another, worked off several at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Job:
    """One resumable piece of work, the names of those it waits for, and what it does."""

    name: str
    needs: tuple[str, ...]
    work: Callable[[], None]


def work_off(todo: list[Job], lanes: int) -> None:
    """Do the jobs, several at a time, each when what it needs is done; the first failure ends all."""
    done: set[str] = set()
    running: set[str] = set()
    failed: list[BaseException] = []
    turn = threading.Condition()

    def lane() -> None:
        while True:
            with turn:
                job = None
                while not failed and len(done) < len(todo):
                    job = next((j for j in todo if j.name not in done | running and set(j.needs) <= done), None)
                    if job:
                        break
                    turn.wait()
                if failed or job is None:
                    return
                running.add(job.name)
            start = time.monotonic()
            try:
                job.work()
            except BaseException as error:  # noqa: BLE001 - handed to the caller
                failed.append(error)
            with turn:
                running.discard(job.name)
                done.add(job.name)
                turn.notify_all()
            print(f"{time.strftime('%H:%M:%S')} {job.name}: {time.monotonic() - start:.0f} s", flush=True)

    threads = [threading.Thread(target=lane) for _ in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
