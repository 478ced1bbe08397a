"""How far the reading of upstream files has come: noted where it is read, told by whoever watches."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from chimed import staging
from chimed.readers.telling import telling

EVERY = 0.5
"""Seconds between two notes, and two looks, at how much was read."""
NOTE = "bytes-read"


def noted(out: Path) -> AbstractContextManager[None]:
    """While this is open, what is read is noted in the folder of a source's parts."""
    return telling(_Noted(out / NOTE))


class _Noted:
    """Notes in a small file how many bytes of its files a source has read: whoever watches may be another process."""

    def __init__(self, note: Path) -> None:
        self._note = note
        self._read: dict[Path, int] = {}
        self._next = 0.0

    def __call__(self, path: Path, offset: int) -> None:
        self._read[path] = max(offset, self._read.get(path, 0))
        if time.monotonic() >= self._next:
            staging.write_text(self._note, str(sum(self._read.values())))
            self._next = time.monotonic() + EVERY


def bytes_read(out: Path, size: int) -> int:
    """How many bytes of its `size` a source has read that is staged into `out`."""
    if (out / "done").is_file():
        return size
    with contextlib.suppress(FileNotFoundError):
        return min(int((out / NOTE).read_text(encoding="utf-8")), size)
    return 0


@contextmanager
def watched(sizes: Mapping[Path, int], words: str, report: Callable[..., None]) -> Iterator[None]:
    """Report bytes read of all bytes, twice a second; `sizes` are those of the sources by the folder of their parts."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(EVERY):
            report(sum(bytes_read(out, size) for out, size in sizes.items()), sum(sizes.values()), words)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
