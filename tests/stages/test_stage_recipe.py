"""Recipes: the packaged ones load and say where each value comes from; what they do not know they name."""

import json
import re
from pathlib import Path

import pytest

from chimed.errors import UsageError
from qilin_stages import recipe, stage
from qilin_stages.recipe import FOLDER, StageConfig, load, names, paths

STAGES = ("cpt", "sft", "dpo")


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("which", STAGES)
def test_every_packaged_recipe_has_every_stage(name: str, which: str) -> None:
    cfg = load(name, which, stage.get(which).config, [])
    assert cfg.recipe == name and cfg.model is not None


@pytest.mark.parametrize("name", [n for n in names() if n.startswith("qilin-med")])
def test_every_value_of_a_reproduction_says_its_source(name: str) -> None:
    lines = (FOLDER / f"{name}.toml").read_text(encoding="utf-8").splitlines()
    section, bare = "", []
    for line in lines:
        section = line if line.startswith("[") else section
        if re.match(r"\w+ = ", line) and "#" not in line and not section.startswith("[model]"):
            bare.append(line)
    assert not bare


def test_the_papers_figures(tmp_path: Path) -> None:
    cpt, sft, dpo = (load("qilin-med-7b", name, stage.get(name).config, []) for name in STAGES)
    assert (cpt.gpus, cpt.train.per_device_train_batch_size, cpt.train.learning_rate, cpt.train.num_train_epochs,
            cpt.train.weight_decay, cpt.block_size) == (8, 1, 2e-4, 3, 0.01, 1024)  # fmt: skip
    assert (sft.adapter.r, sft.adapter.alpha, sft.adapter.dropout, sft.train.learning_rate) == (8, 32, 0.05, 2e-5)
    assert (sft.max_source_length, sft.max_target_length, sft.train.deepspeed) == (256, 256, "zero2")
    assert (dpo.adapter.alpha, dpo.gpus, dpo.train.per_device_train_batch_size, dpo.gpu) == (16, 4, 8, "RTX-3090")
    assert dpo.disable_dropout is False and dpo.adapter.dropout == 0.05
    assert {c.train.warmup_steps for c in (cpt, sft, dpo)} == {0.05}


def test_the_deepspeed_settings_carry_no_scheduler() -> None:
    for stage_number in (0, 2, 3):
        settings = json.loads((FOLDER / f"zero{stage_number}.json").read_text(encoding="utf-8"))
        assert "scheduler" not in settings and settings["zero_optimization"]["stage"] == stage_number


@pytest.mark.parametrize(("override", "hint"), [
    ("train.lerning_rate=1", "train.learning_rate"), ("learning_rate=1e-4", "train.learning_rate"),
    ("adapter.ranks=8", "adapter"), ("max_source_lenght=9", "max_source_length"), ("adapter.aplha=8", "adapter.alpha"),
])  # fmt: skip
def test_an_unknown_key_is_named_with_the_nearest(override: str, hint: str) -> None:
    with pytest.raises(UsageError, match=rf"no such key \(did you mean '{hint}"):
        load("tiny", "sft", stage.get("sft").config, [override])


def test_overrides_are_typed_and_win() -> None:
    cfg = load("tiny", "sft", stage.get("sft").config, ["train.learning_rate=1e-4", "adapter.kind=none",
               'adapter.targets=["q_proj"]', "train.extra.adam_beta2=0.95", "template=plain"])  # fmt: skip
    assert cfg.train.learning_rate == 1e-4 and cfg.adapter.kind == "none" and cfg.adapter.targets == ["q_proj"]
    assert cfg.train.extra == {"adam_beta2": 0.95} and cfg.template == "plain"


@pytest.mark.parametrize(("override", "words"), [
    ("train.learning_rate=fast", "train.learning_rate: .*number.*'fast'"), ("adapter.kind=loral", "adapter.kind"),
    ("train.per_device_train_batch_size=0", "greater than 0"), ("nonsense", "key=value"), ("train=3", "train"),
])  # fmt: skip
def test_a_wrong_value_is_refused(override: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        load("tiny", "sft", stage.get("sft").config, [override])


def test_own_files_inherit_by_like_and_name_their_faults(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[dpo]\nbeta = 0.3\n[dpo.train]\nlearning_rate = 1e-5\n[orpo]\nlike = "dpo"\n', encoding="utf-8")
    cfg = load(str(path), "orpo", StageConfig, [])
    assert cfg.train.learning_rate == 1e-5
    path.write_text("[sft.train]\nlerning_rate = 1\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"train\.lerning_rate: Extra inputs.*did you mean 'train\.learning_rate'"):
        load(str(path), "sft", stage.get("sft").config, [])
    with pytest.raises(UsageError, match=r"has no \[cpt\] table; it has: sft"):
        load(str(path), "cpt", stage.get("cpt").config, [])
    path.write_text("[sft", encoding="utf-8")
    with pytest.raises(UsageError, match="not TOML"):
        load(str(path), "sft", stage.get("sft").config, [])
    with pytest.raises(UsageError, match="Did you mean 'qilin-med-7b'"):
        load("qilin-med-7", "sft", stage.get("sft").config, [])


def test_every_key_of_every_stage_is_used() -> None:
    """No option that is parsed and ignored: each key's name stands in the code outside its own declaration."""
    folder = Path(recipe.__file__).parent
    code = "\n".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
    passed = set(recipe.Train.model_fields)
    for name in STAGES:
        for path in paths(stage.get(name).config):
            leaf = path.rsplit(".", 1)[-1]
            assert leaf in passed or len(re.findall(rf"\.{leaf}\b", code)) >= 1, path
