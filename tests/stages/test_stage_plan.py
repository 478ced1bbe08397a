"""Plans are arithmetic: equal to what a run then does, quick, and without torch."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from running import train

from chimed.errors import UsageError
from qilin_stages import lineage, recipe, stage
from qilin_stages.data.split import open_data
from qilin_stages.plan import Facts, estimate, memory, parameters, steps_of
from qilin_stages.planning import facts
from qilin_stages.recipe import Shape


def plan_of(name: str, data: Path, model: Path | None, *overrides: str, which: str = "tiny"):  # noqa: ANN201
    found = stage.get(name)
    cfg = recipe.load(which, name, found.config, list(overrides))
    return found.plan(cfg, facts(found, cfg, str(data), str(model) if model else None, lambda *_: None))


@pytest.mark.parametrize("name", ["cpt", "sft", "dpo"])
def test_a_plan_counts_what_the_run_then_does(name: str, releases: dict[str, Path], tiny: Path, tmp_path: Path) -> None:
    words = ["held_out=0", "train.max_steps=-1", "train.num_train_epochs=1", "train.gradient_accumulation_steps=2",
             "train.save_steps=1000", "train.learning_rate=1e-5"]  # fmt: skip
    plan = plan_of(name, releases[name], tiny, *words)
    run = lineage.read(train(name, releases[name], tiny, tmp_path / name, *words))
    assert plan.steps == run["max_steps"] == run["step"]
    assert plan.facts.exact and (plan.facts.tokens, plan.facts.rows) == (run["data"]["tokens"], run["data"]["rows"])


def test_an_estimate_is_near_the_count(releases: dict[str, Path], tiny: Path) -> None:
    exact, rough = (plan_of("sft", releases["sft"], model) for model in (tiny, None))
    assert not rough.facts.exact and rough.facts.rows == 120
    assert 0.5 < rough.facts.tokens / exact.facts.tokens < 2


def test_cuts_are_counted(releases: dict[str, Path], tiny: Path) -> None:
    plan = plan_of("sft", releases["sft"], tiny, "max_target_length=20", "held_out=0")
    assert 120 >= plan.facts.cut_rows > 100 and plan.facts.cut_tokens > 1000
    assert plan_of("sft", releases["sft"], tiny, "held_out=0").facts.cut_rows == 0


SEVEN = Shape(name="7B", hidden_size=4096, intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32,
              vocab_size=64000)  # fmt: skip


def test_the_papers_pre_training_by_hand() -> None:
    """2,072,265 blocks on 8 GPUs, 3 epochs: 777,102 steps; 7.0 B weights; 2.7e20 FLOPs and a quarter for recomputing."""
    cfg = recipe.load("qilin-med-7b", "cpt", stage.get("cpt").config, [])
    blocks = 2_072_265
    plan = estimate("cpt", cfg, Facts(blocks, blocks, blocks * 1024, blocks * 1023, 1024, SEVEN))
    assert plan.steps == 777_102 and plan.batch == 8 and plan.warmup == 38_856
    assert parameters(SEVEN) == pytest.approx(7.0e9, rel=0.01)
    assert plan.flops == pytest.approx(2.67e20 * 8 / 6, rel=0.02) and plan.fits


def test_memory_knows_zero_adapters_and_checkpointing() -> None:
    cfg = recipe.load("qilin-med-7b", "dpo", stage.get("dpo").config, [])
    rows = Facts(6000, 6000, 6000 * 600, 6000 * 300, 512, SEVEN, reference=True)
    assert estimate("dpo", cfg, rows).fits
    full = recipe.load("qilin-med-7b", "dpo", stage.get("dpo").config, ["adapter.kind=none"])
    assert estimate("dpo", full, rows).fits is False
    for part, low, high in (("optimizer", 0, 2), ("gradients", 0, 2), ("weights", 0, 3)):
        assert memory(full, rows, low)[part] == pytest.approx(memory(full, rows, high)[part] * 4, rel=0.01)


def test_steps_as_the_trainer_counts_them() -> None:
    cfg = recipe.load("tiny", "sft", stage.get("sft").config, ["train.max_steps=-1", "train.num_train_epochs=2",
                      "train.per_device_train_batch_size=3", "train.gradient_accumulation_steps=2"])  # fmt: skip
    assert steps_of(cfg, 20, 1) == 2 * 4 and steps_of(cfg, 20, 2) == 2 * 2


def run_cli(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "importtime", "-m", "qilin_stages", *words]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)


def test_plan_and_list_load_no_torch(releases: dict[str, Path], tiny: Path) -> None:
    sft = str(releases["sft"])
    for words in (["list"], ["plan", "sft", "-r", "qilin-med-7b", "--data", sft],
                  ["plan", "sft", "-r", "tiny", "--data", sft, "--model", str(tiny), "--json"]):  # fmt: skip
        done = run_cli(*words)
        assert done.returncode == 0, done.stderr[-500:]
        loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if "import time:" in line}
        assert not loaded & {"torch", "transformers", "datasets", "peft", "trl"}


def test_the_launch_line_is_last_and_exact(releases: dict[str, Path], tiny: Path) -> None:
    sft = str(releases["sft"])
    done = run_cli("plan", "sft", "-r", "qilin-med-7b", "--data", sft, "--model", str(tiny), "train.seed=7")
    assert done.stdout.splitlines()[-1] == (f"torchrun --nproc-per-node 8 -m qilin_stages run sft -r qilin-med-7b "
                                            f"--data {sft} --model {tiny} --out sft-run train.seed=7")  # fmt: skip
    document = json.loads(run_cli("plan", "sft", "-r", "tiny", "--data", sft, "--json").stdout)
    assert document["launch"].startswith("qilin-stage run sft -r tiny") and document["facts"]["exact"] is False


def test_the_launch_line_is_what_a_shell_takes(releases: dict[str, Path], tiny: Path, tmp_path: Path) -> None:
    place = tmp_path / "MODEL data"
    place.symlink_to(releases["sft"])
    targets = 'adapter.targets=["q_proj", "v_proj"]'
    words = ("plan", "sft", "--data", str(place), "--model", str(tiny), targets)
    line = run_cli(*words).stdout.splitlines()[-1]
    assert shlex.split(line)[1:] == [
        "run",
        "sft",
        "--data",
        str(place),
        "--model",
        str(tiny),
        "--out",
        "sft-run",
        targets,
    ]


def test_without_model_and_recipe_there_is_nothing_to_plan_for(releases: dict[str, Path]) -> None:
    found = stage.get("sft")
    cfg = recipe.load(None, "sft", found.config, [])
    with pytest.raises(UsageError, match="neither --model nor a recipe"):
        facts(found, cfg, str(releases["sft"]), None, lambda *_: None)
    assert open_data(str(releases["sft"])).split == "sft"
