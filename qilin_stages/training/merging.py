"""A run's weights as a plain model folder: the adapter merged in fp32, logits compared, safetensors only."""

from __future__ import annotations

import shutil
from pathlib import Path

from chimed.errors import ConflictError, DataError
from qilin_stages import lineage
from qilin_stages.model import adapters
from qilin_stages.model.base import config_of
from qilin_stages.training.checkpoints import disk_full
from qilin_stages.training.launch import quiet


def merge(run: Path, out: Path) -> None:
    """Write the model of a run to `out`; it loads in transformers and vLLM as it is.

    Raises DataError for an unfinished run or a prefix, ConflictError where `out` is not empty.
    """
    quiet()
    if out.exists() and any(out.iterdir()):
        raise ConflictError(f"{out}: not empty. Name another folder.")
    if not (run / lineage.FILE).is_file():
        raise DataError(f"{run}: no {lineage.FILE}; merge takes a finished run.")
    found = lineage.resolve(str(run))
    part = out.with_name(f"{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        _write(run, found, part)
    except Exception as error:
        shutil.rmtree(part, ignore_errors=True)
        if disk_full(error):
            raise DataError(f"{out}: the disk is full; nothing was left there. Free space and merge again.") from None
        raise
    if out.exists():
        out.rmdir()
    part.rename(out)


def _write(run: Path, found: lineage.Model, out: Path) -> None:
    out.mkdir(parents=True)
    if found.adapter is None:
        shutil.copytree(found.base, out, dirs_exist_ok=True)
    else:
        model, _ = adapters.merged(found.base, found.adapter)
        config, template = config_of(found.base), (found.run or {})["chat_template"]["text"]
        dtype = str(config.get("dtype") or config.get("torch_dtype") or "float32")
        adapters.save(model, out, dtype, found.tokenizer, template)
    shutil.copyfile(run / "README.md", out / "README.md")
