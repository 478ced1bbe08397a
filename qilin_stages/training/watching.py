"""What is seen of a run while it goes: metrics as JSON Lines, a progress line, whole checkpoints, an orderly stop."""

from __future__ import annotations

import json
import signal
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from chimed.console import progress
from qilin_stages.training import checkpoints
from qilin_stages.training.launch import is_main

METRICS = "metrics.jsonl"


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """The logged metrics of a run, in order of steps; a line that a kill cut short is left out."""
    path = run / METRICS
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]


class Metrics(TrainerCallback):
    """Appends what the trainer logs to metrics.jsonl with tokens per second, and moves the progress line."""

    def __init__(self, run: Path, trainer: Any) -> None:
        self.path, self.trainer, self.stack = run / METRICS, trainer, ExitStack()
        self.started, self.first, self.report = 0.0, 0, None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock; after a resume, forget what the lost steps had logged."""
        self.started, self.first = time.monotonic(), state.global_step
        if not is_main():
            return
        kept = [line for line in read_metrics(self.path.parent) if line["step"] <= state.global_step]
        text = "".join(json.dumps(line) + "\n" for line in kept)
        part = self.path.with_suffix(".part")
        part.write_text(text, encoding="utf-8")
        part.replace(self.path)
        self.report = self.stack.enter_context(progress("training"))

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """One JSON line per log."""
        if not is_main() or not logs:
            return
        seconds = time.monotonic() - self.started
        tokens = getattr(self.trainer, "tokens", 0) * args.world_size
        line = {"step": state.global_step, **logs, "seconds": round(seconds, 3)}
        if tokens:
            line |= {"tokens": tokens, "tokens_per_second": round(tokens / max(seconds, 1e-9), 1)}
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._show(state, line)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Move the progress line."""
        self._show(state, {})

    def _show(self, state: Any, line: dict[str, Any]) -> None:
        if self.report is not None:
            loss = f"loss {line['loss']:.4f} " if "loss" in line else ""
            speed = f"{line['tokens_per_second']:,.0f} tokens/s" if "tokens_per_second" in line else ""
            self.report(state.global_step, state.max_steps, f"{loss}{speed}".strip())

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Close the progress line."""
        self.stack.close()


class Checkpoints(TrainerCallback):
    """Declares each checkpoint whole once every process has written its part, then rotates."""

    def __init__(self, config: str, keep: int) -> None:
        self.config, self.keep = config, keep

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """After a save."""
        barrier()
        if is_main():
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            facts = {"step": state.global_step, "world_size": args.world_size, "config": self.config}
            checkpoints.complete(folder, facts)
            checkpoints.rotate(Path(args.output_dir), self.keep)
        barrier()


class NothingLeft(Exception):
    """A run resumed from its last step has nothing to train; the trainer would take one step too many."""


class Stop(TrainerCallback):
    """SIGTERM: finish the step, write a checkpoint, end; all processes agree on the step."""

    def __init__(self) -> None:
        self.asked, self.before = False, None
        if threading.current_thread() is threading.main_thread():
            self.before = signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, *_: Any) -> None:
        self.asked = True

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Before a step."""
        if state.global_step >= state.max_steps:
            raise NothingLeft

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """After a step."""
        if _any(self.asked) and state.global_step < state.max_steps:
            control.should_save = control.should_training_stop = True

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Give the signal back."""
        if self.before is not None:
            signal.signal(signal.SIGTERM, self.before)


def barrier() -> None:
    """Wait for all processes, where there are several."""
    import torch.distributed as dist

    if dist.is_available() and dist.is_initialized():
        dist.barrier()


def _any(flag: bool) -> bool:
    """Whether any process says so."""
    import torch
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_initialized()):
        return flag
    device = "cuda" if torch.cuda.is_available() else "cpu"
    value = torch.tensor(int(flag), device=device)
    dist.all_reduce(value, op=dist.ReduceOp.MAX)
    return bool(value)
