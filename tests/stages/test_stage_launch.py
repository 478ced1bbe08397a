"""What the stack ignores without a word is refused before training."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from chimed.errors import UsageError
from qilin_stages import recipe, stage
from qilin_stages.training import launch


def config(*words: str, which: str = "tiny"):  # noqa: ANN201
    return recipe.load(which, "sft", stage.get("sft").config, list(words))


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "RANK", "ACCELERATE_MIXED_PRECISION", "ACCELERATE_USE_FSDP"):
        monkeypatch.delenv(name, raising=False)


def test_zero_with_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="one process: there is nothing to partition.*torchrun"):
        launch.check("sft", config("train.deepspeed=zero2"))
    monkeypatch.setenv("WORLD_SIZE", "2")
    launch.check("sft", config("train.deepspeed=zero2"))


def test_fewer_processes_than_the_recipe_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="asks for 8 processes and this launch has 1"):
        launch.check("sft", config('train.deepspeed=""', which="qilin-med-7b"))
    monkeypatch.setenv("WORLD_SIZE", "8")
    launch.check("sft", config(which="qilin-med-7b"))


def test_fsdp_without_cuda() -> None:
    with pytest.raises(UsageError, match="fsdp without CUDA"):
        launch.check("sft", config("train.extra.fsdp=true"))


def test_a_scheduler_in_the_deepspeed_file(tmp_path: Path) -> None:
    path = tmp_path / "ds.json"
    path.write_text(json.dumps({"zero_optimization": {"stage": 2}, "scheduler": {"type": "WarmupDecayLR"}}),
                    encoding="utf-8")  # fmt: skip
    with pytest.raises(UsageError, match="scheduler block"):
        launch.deepspeed_config(config(f"train.deepspeed={path}"))
    with pytest.raises(UsageError, match="zero0, zero2, zero3 or"):
        launch.deepspeed_config(config("train.deepspeed=zero9"))


def test_accelerate_on_a_cpu_starts_one_process_and_is_refused(tiny: Path, releases: dict[str, Path], tmp_path: Path
                                                               ) -> None:  # fmt: skip
    words = [
        "run",
        "sft",
        "-r",
        "tiny",
        "--data",
        str(releases["sft"]),
        "--model",
        str(tiny),
        "--out",
        str(tmp_path / "o"),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "-m", "qilin_stages", *words],
        capture_output=True, text=True, env=os.environ, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert "accelerate launch on a CPU starts one process, not 2" in done.stderr and done.returncode != 0
    assert not (tmp_path / "o").exists()


def test_an_unknown_argument_of_the_trainer(tmp_path: Path) -> None:
    from transformers import TrainingArguments

    from qilin_stages.training.arguments import arguments

    with pytest.raises(UsageError, match=r"train.extra.warmup_ratio: TrainingArguments has no such argument"):
        arguments(TrainingArguments, config("train.extra.warmup_ratio=0.1"), tmp_path, evaluate=False)
    made = arguments(TrainingArguments, config("train.extra.adam_beta2=0.95"), tmp_path, evaluate=False)
    assert made.adam_beta2 == 0.95 and made.warmup_steps == 0.05 and made.bf16 is False


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep memory")
def test_freed_tensors_are_used_again_instead_of_fresh_pages() -> None:
    code = (
        "import resource, sys, torch; from qilin_stages.training.launch import keep_memory\n"
        "if sys.argv[1] == 'keep': assert keep_memory()\n"
        "before = resource.getrusage(0).ru_minflt\n"
        "for _ in range(20): torch.ones(2**24)\n"
        "print(resource.getrusage(0).ru_minflt - before)"
    )
    faults = {}
    for how in ("keep", "give back"):
        done = subprocess.run([sys.executable, "-c", code, how], capture_output=True, text=True, check=True)
        faults[how] = int(done.stdout)
    assert faults["keep"] < faults["give back"] / 4
