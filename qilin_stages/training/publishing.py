"""A run on the Hub: model card, weights, tokenizer and curves, by the same code and gate as the data sets."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from chimed.errors import DataError
from chimed.hub import PushResult, publish_folder
from qilin_stages import lineage
from qilin_stages.training.curves import FILE as CURVES


def push(run: Path, repo_id: str, **options: Any) -> PushResult:
    """Publish a finished run; its merged model, or the adapter alone where it was kept.

    Raises DataError for a folder that is no finished run, and what `chimed.hub.publish_folder` raises.
    """
    from huggingface_hub.utils import disable_progress_bars

    if not (run / lineage.FILE).is_file():
        raise DataError(f"{run}: no {lineage.FILE}; push takes a finished run.")
    found = lineage.resolve(str(run))
    weights = found.adapter or found.base
    disable_progress_bars()
    with tempfile.TemporaryDirectory(prefix="qilin-push-") as folder:
        files = [*sorted(path for path in weights.iterdir() if path.is_file()), run / "README.md", run / CURVES]
        for path in files:
            if path.is_file():
                (Path(folder) / path.name).symlink_to(path.resolve())
        step = (found.run or {})["step"]
        message = f"{(found.run or {})['stage']} run, {step} steps"
        return publish_folder(Path(folder), repo_id, message=message, **options)
