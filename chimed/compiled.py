"""How kernels are compiled: once, kept in the user's cache folder, or in a private temporary one if that is closed."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba import types


def read(kind: Any, dimensions: int = 1) -> Any:
    """A C-contiguous array argument that the kernel only reads."""
    return types.Array(kind, dimensions, "C", readonly=True)


def write(kind: Any, dimensions: int = 1) -> Any:
    """A C-contiguous array argument that the kernel changes."""
    return types.Array(kind, dimensions, "C")


def _private(folder: Path) -> bool:
    """Whether the folder is ours alone and can be written: compiled code is loaded from it."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        info = folder.stat()
        with tempfile.TemporaryFile(dir=folder):
            return info.st_uid == os.geteuid() and not info.st_mode & 0o022
    except OSError:
        return False


def _cache_folder() -> Path | None:
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - no home is no error here
    places = [Path(home) / "chimed" / "kernels", Path(tempfile.gettempdir()) / f"chimed-kernels-{os.geteuid()}"]
    return next((place for place in places if _private(place)), None)


if "NUMBA_CACHE_DIR" not in os.environ and (_folder := _cache_folder()) is not None:
    numba.config.CACHE_DIR = str(_folder)
_CACHED = bool(numba.config.CACHE_DIR)


@cache
def _tell() -> None:
    """Say once, on the terminal of the command itself, why the first use on a machine takes longer."""
    if sys.stderr.isatty() and multiprocessing.parent_process() is None:
        print("compiling for this processor, once: about half a minute …", file=sys.stderr)  # noqa: T201


def kernel(*signatures: Any, inline: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function for the given argument types (for any, where there are none); all arithmetic wraps."""
    options: dict[str, Any] = {"nogil": True, "cache": _CACHED, "boundscheck": False, "error_model": "numpy"}
    if inline:
        return numba.njit(inline="always", **options)

    def compiled(function: Callable[..., Any]) -> Any:
        made = numba.njit(list(signatures), **options)(function) if signatures else numba.njit(**options)(function)
        if not numba.config.DISABLE_JIT and made.stats.cache_misses:
            _tell()
        return made

    return compiled
