"""Running stages inside the test process, and stopping them half-way as a crash would."""

from pathlib import Path
from typing import Any

import pytest

from qilin_stages import recipe, stage
from qilin_stages.training import context, fitting
from qilin_stages.training.watching import read_metrics


class Crash(Exception):
    """What a power cut would be."""


# the recipe trains all weights in sft; most of what is tested here is about adapters
LORA = ["adapter.kind=lora", "adapter.r=16", "adapter.alpha=32", "adapter.dropout=0", "train.learning_rate=5e-3"]


def train(name: str, data: Path, model: Path, out: Path, *overrides: str, resume: bool = False) -> Path:
    """Run a stage of the tiny recipe with small steps; sft with LoRA."""
    found = stage.get(name)
    small = ["train.max_steps=6", "train.logging_steps=1", "train.save_steps=2", "held_out=0"]
    cfg = recipe.load("tiny", name, found.config, [*small, *(LORA if name == "sft" else []), *overrides])
    context.execute(found, cfg, str(data), str(model), out, resume=resume)
    return out


def losses(run: Path) -> dict[int, float]:
    return {line["step"]: line["loss"] for line in read_metrics(run) if "loss" in line}


def crash_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on a run dies after `step`, before that step is saved."""
    from transformers import TrainerCallback

    class Dies(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == step:
                raise Crash

    monkeypatch.setattr(fitting, "Stop", Dies)
