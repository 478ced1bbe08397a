"""Two processes over gloo: ZeRO-2 partitions the optimizer's state, and a killed run goes on as if nothing had been."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from running import LORA, losses
from safetensors.torch import load_file

from qilin_stages import lineage
from qilin_stages.training import checkpoints

LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "qilin_stages"]


def command(data: Path, model: Path, out: Path, *more: str) -> list[str]:
    return ["run", "sft", "-r", "tiny", "--data", str(data), "--model", str(model), "--out", str(out), "held_out=0",
            "train.max_steps=12", "train.logging_steps=1", "train.save_steps=4", *LORA, "adapter.dropout=0.1",
            "train.per_device_train_batch_size=1", *more]  # fmt: skip


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "TORCH_EXTENSIONS_DIR": str(tmp_path / "no-extensions"),
            "PATH": "/usr/bin:/bin"}  # fmt: skip


def start(words: list[str], env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen([*LAUNCH, *words], env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
                            )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> None:
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said[-3000:]


def kill_after(checkpoint: Path, process: subprocess.Popen[str]) -> None:
    """A power cut for all processes once the checkpoint is whole."""
    deadline = time.monotonic() + 240
    while not (checkpoint / "COMPLETE.json").exists():
        assert process.poll() is None and time.monotonic() < deadline, process.stdout and process.stdout.read()[-3000:]
        time.sleep(0.01)
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="utf-8").split()
    for pid in workers:
        os.kill(int(pid), signal.SIGKILL)
    process.communicate(timeout=60)
    assert len(workers) == 2 and process.returncode != 0


def optimizer_elements(checkpoint: Path) -> list[int]:
    """Elements of Adam's two moments that each process keeps."""
    found = []
    for path in sorted(checkpoint.glob("global_step*/*optim_states.pt")):
        states = torch.load(path, weights_only=False)["optimizer_state_dict"]["base_optimizer_state"]["state"]
        found.append(sum(value.numel() for state in states.values() for value in state.values() if value.dim()))
    return found


def test_zero2_partitions_its_state_and_resumes_after_a_kill(
    releases: dict[str, Path], tiny: Path, tmp_path: Path, env: dict[str, str]
) -> None:
    data, zero = releases["sft"], "train.deepspeed=zero2"
    finish(start(command(data, tiny, tmp_path / "whole", zero), env))
    killed = start(command(data, tiny, tmp_path / "killed", zero), env)
    kill_after(tmp_path / "killed/checkpoints/checkpoint-4", killed)
    assert lineage.read(tmp_path / "killed")["status"] == "running"
    finish(start([*command(data, tiny, tmp_path / "killed", zero), "--resume"], env))
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")
    assert lineage.read(tmp_path / "whole")["world_size"] == 2
    adapter = load_file(tmp_path / "whole/adapter/adapter_model.safetensors")
    moments = 2 * sum(tensor.numel() for tensor in adapter.values())
    first, second = optimizer_elements(tmp_path / "whole/checkpoints/checkpoint-12")
    assert first == second and moments <= first + second < moments * 1.02


def test_a_checkpoint_of_two_processes_is_not_resumed_by_one(tmp_path: Path) -> None:
    from chimed.errors import ConflictError

    folder = tmp_path / "checkpoint-4"
    folder.mkdir()
    checkpoints.complete(folder, {"step": 4, "world_size": 2, "config": "same"})
    with pytest.raises(ConflictError, match="written by 2 processes, resumed by 1"):
        checkpoints.last_whole(tmp_path, "same", 1)
    assert checkpoints.last_whole(tmp_path, "same", 2) == folder
