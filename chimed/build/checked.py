"""Against which evaluation sets a build is checked: their index, made once for all of its splits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chimed import evalsets, guard

Checked = tuple[Path | None, dict[str, Any]]
"""The saved index of the evaluation sets that are here, and what the manifest says of them."""


def index_of(evals: Path | None, action: str, folder: Path) -> Checked:
    """Index the evaluation sets below `evals` and save it in `folder`; no index where nothing is to be checked."""
    if action == "off" or evals is None or not evals.is_dir():
        return None, {"action": action, "sets": {}, "checked": False}
    items = list(evalsets.read_items(evals))
    sets = {name: sum(item.set == name for item in items) for name in sorted({item.set for item in items})}
    index = guard.Index.build(items)
    place = folder / f"{index.digest()}.index"
    index.save(place)
    return place, {"action": action, "sets": sets, "checked": True, "index": index.digest()}
