"""The recipe as trainer arguments, under the current names of transformers."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from chimed.errors import UsageError
from qilin_stages.model.base import use_bf16
from qilin_stages.recipe import StageConfig
from qilin_stages.training.launch import deepspeed_config, ready_deepspeed


def arguments(kind: type[Any], cfg: StageConfig, out: Path, *, evaluate: bool, **more: Any) -> Any:
    """Arguments of `kind` (TrainingArguments or a TRL config) from the recipe; `train.extra`, then `more` win.

    Checkpoint rotation is ours (checkpoints.py), as is the progress line.
    """
    import torch

    train = cfg.train
    settings = deepspeed_config(cfg)
    if settings is not None:
        ready_deepspeed()
    values: dict[str, Any] = train.model_dump(exclude={"extra", "save_total_limit", "bf16", "deepspeed", "eval_steps"})
    values |= {
        "output_dir": str(out / "checkpoints"), "bf16": use_bf16(train.bf16), "use_cpu": not torch.cuda.is_available(),
        "deepspeed": settings, "save_strategy": "steps", "report_to": ["tensorboard"], "disable_tqdm": True,
        "logging_first_step": True, "logging_nan_inf_filter": False, "eval_strategy": "steps" if evaluate else "no",
        "eval_steps": train.eval_steps if evaluate else None, "ddp_find_unused_parameters": False,
        "dataloader_pin_memory": torch.cuda.is_available(),
    }  # fmt: skip
    known = {field.name for field in dataclasses.fields(kind)}
    for name in train.extra:
        if name not in known:
            raise UsageError(f"train.extra.{name}: {kind.__name__} has no such argument.")
    try:
        return kind(**(values | train.extra | more))
    except (ValueError, TypeError) as error:  # an optimizer or a schedule that transformers does not know, and the like
        raise UsageError(f"train: {str(error).splitlines()[0]}") from None
