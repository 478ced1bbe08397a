"""From a built trainer to a finished run: resume, train, save, merge with equal logits, model card, sealed run.json."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from chimed.errors import ChimedError
from qilin_stages import lineage
from qilin_stages.model import adapters
from qilin_stages.model.base import config_of
from qilin_stages.training import checkpoints, launch
from qilin_stages.training.watching import Checkpoints, Metrics, NothingLeft, Stop, barrier


class Interrupted(ChimedError):
    """The run was stopped before its last step; its last checkpoint is whole (exit 1)."""


def fit(run: Any, trainer: Any) -> None:
    """Train what a stage built, and finish the run.

    Raises Interrupted after SIGTERM, DataError on a full disk or a loss that is no number.
    """
    from transformers import PrinterCallback

    launch.confirm(trainer, run.cfg)
    folder = Path(trainer.args.output_dir)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Metrics(run.out, trainer))
    trainer.add_callback(Checkpoints(run.config_hash, run.cfg.train.save_total_limit))
    trainer.add_callback(Stop())
    start = checkpoints.last_whole(folder, run.config_hash, trainer.args.world_size) if run.resume else None
    _clear_torn(folder, start)
    try:
        trainer.train(resume_from_checkpoint=str(start) if start else None)
    except NothingLeft:
        trainer.callback_handler.on_train_end(trainer.args, trainer.state, trainer.control)
    except Exception as error:
        if checkpoints.disk_full(error):
            checkpoints.refuse_full(folder, error)
        raise
    finally:
        run.write(step=trainer.state.global_step, max_steps=trainer.state.max_steps)
    if trainer.state.global_step < trainer.state.max_steps:
        run.write(status="interrupted")
        raise Interrupted(f"stopped at step {trainer.state.global_step} of {trainer.state.max_steps}; its checkpoint "
                          "is whole. Run the same command with --resume.")  # fmt: skip
    _save(run, trainer)


def _clear_torn(folder: Path, start: Path | None) -> None:
    """Before training, torn checkpoints newer than the one resumed from go, so that none is mistaken for whole."""
    if launch.is_main():
        for path in checkpoints.found(folder):
            if path != start and checkpoints.read(path) is None:
                shutil.rmtree(path)
    barrier()


def _save(run: Any, trainer: Any) -> None:
    """Weights as safetensors, tokenizer and template beside them; an adapter merged into its base by default."""
    adapted = hasattr(trainer.model, "peft_config")
    target = run.out / ("adapter" if adapted else "model")
    trainer.save_model(str(target))
    barrier()
    if launch.is_main():
        _finish(run, target, adapted=adapted)
    run.write(status="done")
    barrier()


def _finish(run: Any, target: Path, *, adapted: bool) -> None:
    """The main process's part: weights hashed, adapter merged, card and curves drawn."""
    from qilin_stages.training.card import write_card
    from qilin_stages.training.curves import draw

    for pickled in (*target.glob("*.bin"), target / "README.md"):
        pickled.unlink(missing_ok=True)
    adapters.copy_tokenizer(run.parent.tokenizer, target, run.tok.template)
    if adapted:
        adapters.name_base(target, run.record["parent"]["named"])
    facts: dict[str, Any] = {"model": lineage.weights_of(target)}
    if adapted:
        facts["adapter"] = lineage.weights_of(target)
        facts |= _merge(run, target)
    run.write(**facts)
    draw(run.out)
    write_card(run.out)


def _merge(run: Any, adapter: Path) -> dict[str, Any]:
    """The merged model's hashes and its logits' difference; nothing for a prefix or a kept adapter."""
    start = run._start()
    if run.cfg.keep_adapter or not adapters.mergeable(adapter):
        return {"base": str(start.resolve()) if start != run.out / "start" else "start"}
    model, difference = adapters.merged(start, adapter)
    config = config_of(start)
    dtype = str(config.get("dtype") or config.get("torch_dtype") or "float32")
    adapters.save(model, run.out / "model", dtype, run.parent.tokenizer, run.tok.template)
    if run.parent.adapter is not None:
        shutil.rmtree(start)
    return {"model": lineage.weights_of(run.out / "model"), "merge": {"largest_difference": difference, "dtype": dtype}}
