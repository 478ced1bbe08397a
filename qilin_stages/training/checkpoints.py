"""Checkpoints that are whole or not at all: COMPLETE.json lists every file; only such a one is resumed from.

A plain checkpoint without its optimizer would resume silently with a fresh one, and the newest folder by name may be
torn: so the list is written last, after a barrier, and checked before a resume. Rotation drops old whole ones only
after a newer one is whole.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from chimed.errors import ConflictError, DataError

FILE = "COMPLETE.json"


def _sizes(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != FILE
    }


def complete(folder: Path, facts: dict[str, Any]) -> None:
    """Declare a checkpoint whole: its files and sizes, step, world size and config hash."""
    part = folder / f"{FILE}.part"
    part.write_text(json.dumps({**facts, "files": _sizes(folder)}, indent=1), encoding="utf-8")
    part.rename(folder / FILE)


def read(folder: Path) -> dict[str, Any] | None:
    """The facts of a whole checkpoint; None where it is torn."""
    try:
        facts: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    sizes = _sizes(folder)
    return facts if all(sizes.get(name) == size for name, size in facts["files"].items()) else None


def found(folder: Path) -> list[Path]:
    """Checkpoint folders by step, whole or torn."""
    paths = [path for path in folder.glob("checkpoint-*") if path.name.split("-")[-1].isdigit()]
    return sorted(paths, key=lambda path: int(path.name.split("-")[-1]))


def last_whole(folder: Path, config: str, world: int) -> Path | None:
    """The newest whole checkpoint; None without any.

    Raises ConflictError where it was written under another config or world size.
    """
    for path in reversed(found(folder)):
        facts = read(path)
        if facts is None:
            continue
        if facts["config"] != config:
            raise ConflictError(f"{path}: written under another recipe or data; a resume would mix two runs. Give the "
                                "same settings, or another --out.")  # fmt: skip
        if facts["world_size"] != world:
            raise ConflictError(f"{path}: written by {facts['world_size']} processes, resumed by {world}; the "
                                "partitioned state does not fit. Launch as many as before.")  # fmt: skip
        return path
    return None


def rotate(folder: Path, keep: int) -> None:
    """Drop all but the newest `keep` whole checkpoints, and torn ones that are older than the newest whole one."""
    whole = [path for path in found(folder) if read(path) is not None]
    kept = set(whole[-keep:])
    for path in found(folder):
        older = whole and int(path.name.split("-")[-1]) < int(whole[-1].name.split("-")[-1])
        if path not in kept and (path in whole or older):
            shutil.rmtree(path)


def disk_full(error: BaseException) -> bool:
    """Whether an error of the writers (Python's, torch's, safetensors') says that the disk is full."""
    seen: BaseException | None = error
    while seen is not None:
        if getattr(seen, "errno", None) in {28, 122} or "No space left" in str(seen) or "os error 28" in str(seen):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def refuse_full(folder: Path, error: BaseException) -> None:
    """Turn a full disk into one line that names the last good checkpoint."""
    whole = [path for path in found(folder) if read(path) is not None]
    good = f"The last good checkpoint is {whole[-1].name}" if whole else "No checkpoint was finished"
    raise DataError(f"{folder}: the disk is full. {good}; free space and run again with --resume.") from error
