"""cpt, sft, dpo, each from the run before: losses fall, merges hold, crashes leave no trace, mismatches are refused."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from running import Crash, crash_at, losses, train

from chimed.errors import ConflictError, DataError
from qilin_stages import lineage
from qilin_stages.model import adapters
from qilin_stages.model.base import load
from qilin_stages.training import checkpoints, fitting
from qilin_stages.training.merging import merge
from qilin_stages.training.watching import read_metrics


@pytest.fixture(scope="module")
def chain(releases: dict[str, Path], tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("chain")
    runs, model = {}, tiny
    for name, steps in (("cpt", 25), ("sft", 20), ("dpo", 20)):
        more = (f"train.max_steps={steps}", "train.save_steps=50", "train.eval_steps=10", "held_out=0.1")
        model = runs[name] = train(name, releases[name], model, folder / name, *more)
    return runs


def test_losses_fall_and_preferences_are_learnt(chain: dict[str, Path]) -> None:
    for run in chain.values():
        first, *_, last = losses(run).values()
        assert last < first
    rewards = [line for line in read_metrics(chain["dpo"]) if "accuracy" in line]
    assert rewards[0]["loss"] == pytest.approx(0.693147, abs=1e-4)
    assert rewards[-1]["accuracy"] > 0.8 > rewards[0]["accuracy"]
    assert any("eval_loss" in line for line in read_metrics(chain["dpo"]))


def test_run_json_says_what_the_run_is_made_of(chain: dict[str, Path], releases: dict[str, Path]) -> None:
    run, before = lineage.read(chain["sft"]), lineage.read(chain["cpt"])
    assert run["status"] == "done" and run["step"] == run["max_steps"] == 20
    assert run["parent"]["stage"] == "cpt" and run["parent"]["seal"] == before["seal"]
    assert run["parent"]["model"] == before["model"] == lineage.weights_of(chain["cpt"] / "model")
    assert (
        run["data"]["split"] == "sft"
        and run["data"]["published"] == 120 > run["data"]["rows"] > 90
        and run["data"]["tokens"] > 1000
    )
    assert run["tokenizer_sha256"] == before["tokenizer_sha256"] and run["chat_template"]["sha256"]
    assert run["versions"]["torch"] and run["seeds"] == {"seed": 42, "data_seed": 42} and run["world_size"] == 1
    for name in ("README.md", "curves.png", "metrics.jsonl", "model/model.safetensors", "adapter/adapter_config.json"):
        assert (chain["sft"] / name).stat().st_size > 0
    assert list((chain["sft"] / "tensorboard").iterdir())
    card = (chain["sft"] / "README.md").read_text(encoding="utf-8")
    assert "stage `sft`" in card and run["data"]["content_sha256"] in card and "不能代替医生" in card
    assert str(chain["cpt"].parent) not in card


def test_the_merged_model_answers_as_base_plus_adapter(chain: dict[str, Path]) -> None:
    ids = torch.randint(0, 500, (2, 33), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        apart = adapters.attach(load(chain["cpt"] / "model"), chain["sft"] / "adapter").eval()(input_ids=ids).logits
        merged = load(chain["sft"] / "model")(input_ids=ids).logits
        base = load(chain["cpt"] / "model")(input_ids=ids).logits
    assert torch.allclose(apart, merged, atol=1e-5)
    assert not torch.allclose(base, merged, atol=1e-3)


def test_only_safetensors_are_left_and_no_path_of_this_machine(chain: dict[str, Path]) -> None:
    for part in ("model", "adapter"):
        names = {path.suffix for path in (chain["sft"] / part).iterdir()}
        assert ".bin" not in names and ".safetensors" in names
    config = json.loads((chain["sft"] / "adapter/adapter_config.json").read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"] == "cpt"


def test_merge_writes_a_folder_that_loads_and_refuses_a_full_one(chain: dict[str, Path], tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    merge(chain["dpo"], tmp_path / "out")
    ids = torch.tensor([[5, 6, 7]])
    mine, theirs = load(chain["dpo"] / "model"), AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert torch.equal(mine(input_ids=ids).logits, theirs(input_ids=ids).logits)
    assert AutoTokenizer.from_pretrained(tmp_path / "out").chat_template
    with pytest.raises(ConflictError, match="not empty"):
        merge(chain["dpo"], tmp_path / "out")


def test_a_merge_onto_a_full_disk_leaves_nothing(chain: dict[str, Path], tmp_path: Path,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    def full(source: Path, out: Path, **_: object) -> None:
        (out / "model.safetensors").write_bytes(b"half")
        raise shutil.Error([(str(source), str(out), "[Errno 28] No space left on device")])

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copytree", full)
        with pytest.raises(DataError, match="the disk is full; nothing was left"):
            merge(chain["dpo"], tmp_path / "out")
    assert not list(tmp_path.iterdir())
    merge(chain["dpo"], tmp_path / "out")


def test_a_kept_adapter_goes_on_as_the_merged_model_would(chain: dict[str, Path], releases: dict[str, Path],
                                                          tmp_path: Path) -> None:  # fmt: skip
    runs = {}
    for kept in ("false", "true"):
        sft = train("sft", releases["sft"], chain["cpt"], tmp_path / f"sft-{kept}", f"keep_adapter={kept}")
        runs[kept] = train("dpo", releases["dpo"], sft, tmp_path / f"dpo-{kept}", f"keep_adapter={kept}")
        assert (sft / "model").exists() == (kept == "false")
    assert losses(runs["true"]) == pytest.approx(losses(runs["false"]), abs=1e-5)
    merge(runs["true"], tmp_path / "merged")
    ids = torch.tensor([[5, 6, 7, 8]])
    assert torch.allclose(load(tmp_path / "merged")(input_ids=ids).logits,
                          load(runs["false"] / "model")(input_ids=ids).logits, atol=1e-4)  # fmt: skip


def test_a_kill_while_a_kept_adapter_is_merged_into_the_start_leaves_nothing_half(
    chain: dict[str, Path], releases: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sft = train("sft", releases["sft"], chain["cpt"], tmp_path / "sft", "keep_adapter=true", "train.max_steps=2")
    with monkeypatch.context() as patch:
        patch.setattr("qilin_stages.model.adapters.copy_tokenizer", dies)  # after the weights, before the tokenizer
        with pytest.raises(Crash):
            train("dpo", releases["dpo"], sft, tmp_path / "dpo", "train.max_steps=2")
    train("dpo", releases["dpo"], sft, tmp_path / "dpo", "train.max_steps=2", resume=True)
    assert not list((tmp_path / "dpo").glob("start*"))


def dies(*_: object) -> None:
    raise Crash


@pytest.mark.parametrize(("name", "more"), [
    ("cpt", ()), ("sft", ("adapter.dropout=0.1",)), ("dpo", ("adapter.dropout=0.1",)),
    ("dpo", ("adapter.kind=none", "train.learning_rate=1e-5")),
])  # fmt: skip
def test_a_killed_run_resumes_on_the_same_curve(name: str, more: tuple[str, ...], releases: dict[str, Path], tiny: Path,
                                                tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    more = (*more, "train.per_device_train_batch_size=1")
    whole = train(name, releases[name], tiny, tmp_path / "whole", *more)
    with monkeypatch.context() as patch:
        crash_at(5, patch)
        with pytest.raises(Crash):
            train(name, releases[name], tiny, tmp_path / "killed", *more)
    assert lineage.read(tmp_path / "killed")["status"] == "failed"
    resumed = train(name, releases[name], tiny, tmp_path / "killed", *more, resume=True)
    assert losses(resumed) == losses(whole)
    assert lineage.weights_of(resumed / "model") == lineage.weights_of(whole / "model")


def test_resume_takes_the_last_whole_checkpoint_and_restores_all_state(
    releases: dict[str, Path], tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint without its optimizer would resume silently with a fresh one: it counts as torn."""
    whole = train("sft", releases["sft"], tiny, tmp_path / "whole", "adapter.dropout=0.1")
    with monkeypatch.context() as patch:
        crash_at(5, patch)
        with pytest.raises(Crash):
            train("sft", releases["sft"], tiny, tmp_path / "killed", "adapter.dropout=0.1")
    torn = tmp_path / "killed/checkpoints/checkpoint-4"
    (torn / "optimizer.pt").unlink()
    assert checkpoints.read(torn) is None
    resumed = train("sft", releases["sft"], tiny, tmp_path / "killed", "adapter.dropout=0.1", resume=True)
    assert losses(resumed) == losses(whole)


def test_a_run_killed_after_its_last_step_takes_no_further_one(
    releases: dict[str, Path], tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steady = "train.lr_scheduler_type=constant"  # one step too many would move the weights
    whole = train("cpt", releases["cpt"], tiny, tmp_path / "whole", steady)

    def dies(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(fitting, "_save", dies)
        with pytest.raises(Crash):
            train("cpt", releases["cpt"], tiny, tmp_path / "killed", steady)
    with open(tmp_path / "killed/metrics.jsonl", "a", encoding="utf-8") as file:
        file.write('{"step": 6, "lo')
    killed = train("cpt", releases["cpt"], tiny, tmp_path / "killed", steady, resume=True)
    assert losses(killed) == losses(whole)
    assert lineage.read(killed)["model"] == lineage.read(whole)["model"]


def test_checkpoints_rotate_and_are_whole(releases: dict[str, Path], tiny: Path, tmp_path: Path) -> None:
    run = train("dpo", releases["dpo"], tiny, tmp_path / "run", "train.save_steps=1", "train.save_total_limit=2")
    found = checkpoints.found(run / "checkpoints")
    assert [path.name for path in found] == ["checkpoint-5", "checkpoint-6"]
    assert all(checkpoints.read(path) for path in found)


def test_sigterm_writes_a_checkpoint_and_says_interrupted(releases: dict[str, Path], tiny: Path, tmp_path: Path,
                                                          monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    whole = train("cpt", releases["cpt"], tiny, tmp_path / "whole")

    class Terminated(fitting.Stop):
        def on_step_end(self, args: object, state: object, control: object, **more: object) -> None:
            if state.global_step == 3:  # type: ignore[attr-defined]
                os.kill(os.getpid(), signal.SIGTERM)
            super().on_step_end(args, state, control, **more)

    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        patch.setattr(fitting, "Stop", Terminated)
        with pytest.raises(fitting.Interrupted, match="stopped at step 3 of 6"):
            train("cpt", releases["cpt"], tiny, tmp_path / "stopped")
    assert signal.getsignal(signal.SIGTERM) == before
    assert lineage.read(tmp_path / "stopped")["status"] == "interrupted"
    with pytest.raises(DataError, match="interrupted"):
        lineage.resolve(str(tmp_path / "stopped"))
    resumed = train("cpt", releases["cpt"], tiny, tmp_path / "stopped", resume=True)
    assert losses(resumed) == losses(whole)


def test_a_full_disk_leaves_the_last_good_checkpoint(releases: dict[str, Path], tiny: Path, tmp_path: Path,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    import transformers

    whole = train("dpo", releases["dpo"], tiny, tmp_path / "whole")
    save = transformers.Trainer._save_optimizer_and_scheduler

    def fails(self: transformers.Trainer, folder: str) -> None:
        if self.state.global_step == 4:
            raise OSError(28, "No space left on device", folder)
        save(self, folder)

    with monkeypatch.context() as patch:
        patch.setattr(transformers.Trainer, "_save_optimizer_and_scheduler", fails)
        with pytest.raises(DataError, match="disk is full. The last good checkpoint is checkpoint-2"):
            train("dpo", releases["dpo"], tiny, tmp_path / "full")
    resumed = train("dpo", releases["dpo"], tiny, tmp_path / "full", resume=True)
    assert losses(resumed) == losses(whole)


def test_an_output_folder_in_use_is_refused(chain: dict[str, Path], releases: dict[str, Path], tiny: Path,
                                            tmp_path: Path) -> None:  # fmt: skip
    with pytest.raises(ConflictError, match="holds a finished cpt run"):
        train("cpt", releases["cpt"], tiny, chain["cpt"])
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConflictError, match="holds thesis.txt"):
        train("cpt", releases["cpt"], tiny, tmp_path)
    with pytest.raises(ConflictError, match="nothing to resume"):
        train("cpt", releases["cpt"], tiny, tmp_path / "new", resume=True)


def test_a_resume_under_other_settings_is_refused(releases: dict[str, Path], tiny: Path, tmp_path: Path,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    with monkeypatch.context() as patch:
        crash_at(3, patch)
        with pytest.raises(Crash):
            train("cpt", releases["cpt"], tiny, tmp_path / "run")
    with pytest.raises(ConflictError, match="holds an unfinished cpt run"):
        train("cpt", releases["cpt"], tiny, tmp_path / "run")
    before = (tmp_path / "run/run.json").read_bytes()
    with pytest.raises(ConflictError, match="another recipe or data"):
        train("cpt", releases["cpt"], tiny, tmp_path / "run", "train.learning_rate=1e-4", resume=True)
    assert (tmp_path / "run/run.json").read_bytes() == before


def copy(run: Path, out: Path) -> Path:
    return shutil.copytree(run, out, ignore=shutil.ignore_patterns("checkpoints", "tensorboard"))


def test_an_edited_run_is_refused(chain: dict[str, Path], tmp_path: Path) -> None:
    run = copy(chain["sft"], tmp_path / "run")
    facts = json.loads((run / "run.json").read_text(encoding="utf-8"))
    (run / "run.json").write_text(json.dumps(facts | {"step": 999}), encoding="utf-8")
    with pytest.raises(DataError, match="edited after the run wrote it"):
        lineage.resolve(str(run))


def test_other_weights_tokenizer_or_template_are_refused(chain: dict[str, Path], tmp_path: Path) -> None:
    for i, (name, words) in enumerate((("model.safetensors", "weights are not"), ("tokenizer.json", "tokenizer is not"),
                                       ("chat_template.jinja", "template is not"))):  # fmt: skip
        run = copy(chain["sft"], tmp_path / str(i))
        with open(run / "model" / name, "ab") as file:
            file.write(b" ")
        with pytest.raises(DataError, match=words):
            lineage.resolve(str(run))
