"""How this process was launched, and what the stack would ignore without a word: refused here, before training."""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

from chimed.errors import UsageError
from qilin_stages.plan import zero_stage
from qilin_stages.recipe import FOLDER, StageConfig


def world_size() -> int:
    """Processes of this launch (torchrun, deepspeed and accelerate say so in the environment)."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main() -> bool:
    """Whether this process writes files and speaks."""
    return os.environ.get("RANK", "0") == "0"


def quiet() -> None:
    """Keep the stack's own bars and notices off the terminal; its warnings stay in its logs at level error."""
    import torch

    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    from datasets.utils.logging import disable_progress_bar
    from transformers.utils import logging

    logging.disable_progress_bar()
    disable_progress_bar()
    warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")


def keep_memory() -> bool:
    """On a CPU, let glibc keep the memory of freed tensors for the next ones; whether this allocator could be told so.

    By default it gives every large block back to the kernel, and every operation pays for fresh zeroed pages: 13 % of
    a training step's CPU time, measured.
    """
    import ctypes

    import torch

    libc = ctypes.CDLL(None) if sys.platform == "linux" and not torch.cuda.is_available() else None
    if libc is None or not hasattr(libc, "mallopt"):
        return False
    map_threshold, trim_threshold = -3, -1  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD of malloc.h
    return bool(libc.mallopt(map_threshold, 2**30) and libc.mallopt(trim_threshold, 2**31 - 1))


def check(stage: str, cfg: StageConfig) -> None:
    """Refuse launches that would train something else than the recipe says. Raises UsageError."""
    import torch

    world, cuda = world_size(), torch.cuda.is_available()
    how = f"torchrun --nproc-per-node {max(cfg.gpus, 2)} -m qilin_stages run {stage} …"
    if cfg.train.deepspeed and world == 1:
        raise UsageError(f"train.deepspeed={cfg.train.deepspeed} with one process: there is nothing to partition. "
                         f"Launch with {how}, or leave train.deepspeed out.{_accelerate(cuda)}")  # fmt: skip
    if cfg.gpus > 1 and world != cfg.gpus:
        raise UsageError(f"the recipe asks for {cfg.gpus} processes and this launch has {world}: the batch would be "
                         f"another. Launch with {how}, or say gpus={world}.{_accelerate(cuda)}")  # fmt: skip
    if world == 1 and _accelerate(cuda):
        raise UsageError(_accelerate(cuda).strip())
    fsdp = cfg.train.extra.get("fsdp") or os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true"
    if fsdp and not cuda:
        raise UsageError("fsdp without CUDA: it would be ignored silently. Use train.deepspeed=zero2 or torchrun.")


def _accelerate(cuda: bool) -> str:
    """The words for `accelerate launch` on a CPU, which starts one process whatever it was told."""
    if cuda or "ACCELERATE_MIXED_PRECISION" not in os.environ or world_size() > 1:
        return ""
    asked = _asked_processes()
    if asked <= 1:
        return ""
    return f" accelerate launch on a CPU starts one process, not {asked}; use torchrun there."


def _asked_processes() -> int:
    """What `--num_processes` said: accelerate keeps it to itself, so it is read off its command line."""
    try:
        words = Path(f"/proc/{os.getppid()}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return 1
    for i, word in enumerate(words):
        name, _, value = word.partition("=")
        if name.replace("-", "_") == "__num_processes":
            value = value or (words[i + 1] if i + 1 < len(words) else "")
            return int(value) if value.isdigit() else 1
    return 1


def deepspeed_config(cfg: StageConfig) -> dict[str, Any] | None:
    """The DeepSpeed settings a recipe names: zero0, zero2, zero3, or a JSON file without a scheduler block."""
    named = cfg.train.deepspeed
    if named is None:
        return None
    path = FOLDER / f"{named}.json" if named in {"zero0", "zero2", "zero3"} else Path(named)
    if not path.is_file():
        raise UsageError(f"train.deepspeed={named}: zero0, zero2, zero3 or the path of a JSON file.")
    try:
        settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not JSON: {error}.") from None
    if "scheduler" in settings:
        raise UsageError(f"{path} has a scheduler block, which would replace the recipe's schedule without a word. "
                         "Remove it and set train.lr_scheduler_type.")  # fmt: skip
    return settings


def ready_deepspeed() -> None:
    """On a CPU: do without DeepSpeed's shared-memory extension, which would be compiled for a minute on first use.

    The collectives then go through gloo; losses are the same.
    """
    import sys

    import torch

    if torch.cuda.is_available():
        return
    try:
        import deepspeed.comm  # noqa: F401
    except ImportError:
        raise UsageError("train.deepspeed needs the extra deepspeed: pip install 'qilin-chimed[deepspeed]'.") from None
    module: Any = sys.modules.get("deepspeed.comm.torch")
    if module is not None and hasattr(module, "build_shm_op"):
        module.build_shm_op = lambda: None


def confirm(trainer: Any, cfg: StageConfig) -> None:
    """After construction: DeepSpeed and the number of processes are really those asked for."""
    if cfg.train.deepspeed and not trainer.is_deepspeed_enabled:
        raise UsageError(f"train.deepspeed={cfg.train.deepspeed} was not taken up (ZeRO-{zero_stage(cfg)} is off). "
                         "Launch with torchrun or deepspeed.")  # fmt: skip
    if trainer.args.world_size != world_size():
        raise UsageError(f"{world_size()} processes were launched and the trainer sees {trainer.args.world_size}. "
                         "Launch with torchrun.")  # fmt: skip
