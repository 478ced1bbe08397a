"""The working folder of a build: one build at a time, steps keyed by content so that a stopped one goes on."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from chimed import __version__
from chimed.errors import ConflictError, DataError

LIBRARIES = ("pyarrow", "opencc", "datasketch", "jieba", "numpy")


@contextmanager
def alone_in(out: Path) -> Iterator[Path]:
    """The folder OUT/.work, held by this build alone.

    Raises ConflictError when another build is at work in the same OUT.
    """
    work = out / ".work"
    try:
        work.mkdir(parents=True, exist_ok=True)
    except (NotADirectoryError, FileExistsError):
        raise DataError(f"{out}: a file is in the way. Name a folder with --out.") from None
    with open(work / "lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(f"{out}: another build is at work here. Wait for it, or name another --out.") from None
        yield work
    (work / "lock").unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # another split's stopped build lies there still
        work.rmdir()


@functools.cache
def code_version() -> str:
    """A hash of this package's code and of the libraries that decide about bytes: a changed step runs again."""
    digest = hashlib.blake2b(digest_size=12)
    root = Path(__file__).resolve().parent.parent
    for file in sorted(root.rglob("*.py")):
        digest.update(file.read_bytes())
    digest.update(repr(sorted(versions().items())).encode())
    return digest.hexdigest()


@functools.cache
def versions() -> dict[str, str]:
    """Versions that a manifest names."""
    return {"chimed": __version__} | {name: version(name) for name in LIBRARIES}


def code_of(parse: Callable[..., object]) -> str:
    """A hash of the module that a source's `parse` comes from, so that a changed plug-in is parsed anew."""
    file = getattr(sys.modules.get(parse.__module__), "__file__", None)
    return hashlib.blake2b(Path(file).read_bytes(), digest_size=12).hexdigest() if file else ""
