"""The run around a stage: opens and checks everything first, gives the stage what it asks for, keeps the record."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chimed.console import progress
from chimed.errors import ChimedError, ConflictError, UsageError
from qilin_stages import lineage
from qilin_stages.data import cache
from qilin_stages.data.packing import longest_document
from qilin_stages.data.split import Data, cache_folder, open_data
from qilin_stages.data.template import Tokenizer, check, read_tokenizer
from qilin_stages.data.tokens import Preparation
from qilin_stages.model import adapters, base
from qilin_stages.recipe import StageConfig
from qilin_stages.stage import Stage
from qilin_stages.training import checkpoints, launch
from qilin_stages.training.arguments import arguments
from qilin_stages.training.fitting import fit


@dataclass
class Run:
    """One run of a stage; implements the Context that the stage sees."""

    stage: Stage
    cfg: StageConfig
    data: Data
    parent: lineage.Model
    tok: Tokenizer
    out: Path
    resume: bool
    record: dict[str, Any] = field(default_factory=dict)
    lock: Any = None

    @property
    def seq2seq(self) -> bool:
        """Whether the base is an encoder-decoder."""
        return base.is_seq2seq(self.parent.base)

    @property
    def config_hash(self) -> str:
        """Hash of all that decides the numbers: recipe, data, tokenizer, parent."""
        facts = [self.cfg.model_dump(mode="json"), self.data.content_sha256, self.tok.sha256, self.tok.template_sha256,
                 lineage.of_model(self.parent)["model"]]  # fmt: skip
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def model(self, cfg: Any, *, packed: bool = False) -> tuple[Any, Any]:
        """The parent's model (its adapter merged in) without a new adapter, and transformers' tokenizer."""
        import torch
        from transformers import AutoTokenizer, set_seed

        adapters.check(cfg.adapter)
        half = base.use_bf16(cfg.train.bf16) and (cfg.adapter.kind != "none" or cfg.train.deepspeed)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        model = base.load(
            self._start(), attention=base.attention_for(packed, device), dtype="bfloat16" if half else "float32",
            quantised=cfg.adapter.kind == "qlora",
        )  # fmt: skip
        # after the loading, which may draw numbers, and before the adapter, which does
        set_seed(cfg.train.seed)
        tokenizer = AutoTokenizer.from_pretrained(self.parent.tokenizer, trust_remote_code=False)
        tokenizer.chat_template = self.tok.template
        return model, tokenizer

    def _start(self) -> Path:
        """The folder to start from; a parent that kept its adapter is merged into a folder of this run first."""
        if self.parent.adapter is None:
            return self.parent.base
        start = self.out / "start"
        if launch.is_main() and not start.is_dir():
            part = start.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            model, _ = adapters.merged(self.parent.base, self.parent.adapter)
            adapters.save(model, part, "float32", self.parent.tokenizer, self.tok.template)
            part.rename(start)
        while not start.is_dir():
            time.sleep(0.1)
        return start

    def with_adapter(self, cfg: Any, model: Any) -> Any:
        """A model with the recipe's adapter."""
        return adapters.add(model, cfg.adapter, seq2seq=self.seq2seq)

    def peft(self, cfg: Any) -> Any:
        """The recipe's peft config, for trainers that add the adapter themselves."""
        return adapters.peft_config(cfg.adapter, seq2seq=self.seq2seq)

    def prepared(self, how: Preparation) -> tuple[Any, Any]:
        """Token rows of the split, training and held out, from the cache; their counts go into run.json."""
        with progress("tokenising") as report:
            rows = cache.prepare(self.data, self.tok, how, report)
        self.record["data"] |= {"prepared": rows.key, **rows.counts}
        parts = cache.dataset(rows.file("train")), cache.dataset(rows.file("validation"))
        self._refuse_long(parts)
        return parts

    def _refuse_long(self, parts: tuple[Any, Any]) -> None:
        """Refuse rows with positions that the model has not: learnt ones fail, rotary ones learn what is never read."""
        room = base.positions_of(self.parent.base)
        longest = max((longest_document(part) for part in parts if part is not None), default=0)
        if room is not None and longest > room:
            raise UsageError(f"documents of up to {longest} tokens, and {self.parent.named} reads {room}. Lower block_size,"
                             " or max_length, max_source_length and max_target_length.")  # fmt: skip

    def dataset(self, cfg: Any) -> tuple[Any, Any]:
        """Published rows, training and held out, with the columns that trainers read."""
        from datasets import load_dataset

        keep = {"cpt": ["text"], "sft": ["messages"], "dpo": ["prompt", "chosen", "rejected"]}[self.data.split]
        parts = []
        for part in ("train", "validation"):
            shards = [str(path) for path in self.data.release.shards(part)]
            where = str(cache_folder() / "rows")
            rows = load_dataset("parquet", data_files=shards, split="train", cache_dir=where) if shards else None
            parts.append(rows and rows.select_columns(keep))
        return parts[0], parts[1]

    def training_args(self, kind: type[Any], cfg: Any, **more: Any) -> Any:
        """Trainer arguments of `kind` from the recipe."""
        os.environ["TENSORBOARD_LOGGING_DIR"] = str(self.out / "tensorboard")
        evaluate = bool(more.pop("evaluate", bool(self.data.release.shards("validation"))))
        return arguments(kind, cfg, self.out, evaluate=evaluate, **more)

    def fit(self, trainer: Any) -> None:
        """Train, then save, merge, check, and seal run.json."""
        fit(self, trainer)

    def write(self, **facts: Any) -> None:
        """Bring run.json up to date (the main process alone)."""
        self.record |= facts
        if launch.is_main():
            lineage.write(self.out, self.record)


def open_run(stage: Stage, cfg: StageConfig, data: str, model: str | None, out: Path, *, resume: bool) -> Run:
    """Check everything that can be wrong before training, and open the run folder."""
    launch.quiet()
    launch.keep_memory()
    launch.check(stage.name, cfg)
    adapters.check(cfg.adapter)
    base.use_bf16(cfg.train.bf16)
    opened = open_data(data, stage.consumes)
    parent = lineage.resolve(model or _parent(cfg, out))
    tok = read_tokenizer(parent.tokenizer, getattr(cfg, "template", None))
    check(tok)
    lineage.check_template(parent, tok)
    run = Run(stage, cfg, opened, parent, tok, out, resume)
    _claim(run)
    return run


def _parent(cfg: StageConfig, out: Path) -> str:
    """The recipe's parent where no model is named: a folder, or the run of that stage beside this one."""
    for path in (Path(cfg.parent), out.parent / f"{cfg.parent}-run", out.parent / cfg.parent) if cfg.parent else ():
        if (path / lineage.FILE).is_file():
            return str(path)
    looked = (
        f" The recipe's parent is '{cfg.parent}', and there is no {out.parent / cfg.parent}-run." if cfg.parent else ""
    )
    raise UsageError(f"no model to start from.{looked} Give --model: a model folder, a run, or ORG/NAME@REVISION.")


def _claim(run: Run) -> None:
    """Take the output folder: refuse a finished, a foreign, or a running one."""
    out = run.out
    if launch.is_main():
        out.mkdir(parents=True, exist_ok=True)
        lock = open(out / ".lock", "w", encoding="utf-8")  # noqa: SIM115 - held for the life of the process
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConflictError(f"{out}: another run is writing there. Wait for it, or name another --out.") from None
        run.lock = lock
        _refuse_used(run)
    run.record = _first_record(run)
    run.write()


def _refuse_used(run: Run) -> None:
    out = run.out
    if not (out / lineage.FILE).is_file():
        foreign = [path.name for path in out.iterdir() if path.name != ".lock"]
        if foreign:
            raise ConflictError(f"{out}: holds {foreign[0]} and is no run. Name an empty folder.")
        if run.resume:
            raise ConflictError(f"{out}: nothing to resume there.")
        return
    before = lineage.read(out)
    if before["status"] == "done":
        raise ConflictError(f"{out}: holds a finished {before['stage']} run. Name another --out.")
    if not run.resume:
        raise ConflictError(f"{out}: holds an unfinished {before['stage']} run (step {before['step']}). Continue it "
                            "with --resume, or name another --out.")  # fmt: skip
    if before["stage"] != run.stage.name:
        raise ConflictError(f"{out}: holds a {before['stage']} run; it cannot be resumed as {run.stage.name}.")
    checkpoints.last_whole(out / "checkpoints", run.config_hash, launch.world_size())  # before run.json is written anew


def _first_record(run: Run) -> dict[str, Any]:
    data, train = run.data, run.cfg.train
    return {
        "stage": run.stage.name,
        "recipe": run.cfg.model_dump(mode="json"),
        "config_hash": run.config_hash,
        "data": {"named": data.named, "revision": data.revision, "split": data.split,
                 "version": data.release.manifest.version, "content_sha256": data.content_sha256,
                 "published": data.rows(), "rows": data.rows()},
        "tokenizer_sha256": run.tok.sha256,
        "chat_template": {"name": run.tok.template_name, "sha256": run.tok.template_sha256, "text": run.tok.template},
        "parent": lineage.of_model(run.parent),
        "base": str(run.parent.base.resolve()),
        "model": {},
        "seeds": {"seed": train.seed, "data_seed": train.data_seed},
        "world_size": launch.world_size(),
        "versions": lineage.versions(),
        "step": 0,
        "max_steps": 0,
        "status": "running",
    }  # fmt: skip


def execute(stage: Stage, cfg: StageConfig, data: str, model: str | None, out: Path, *, resume: bool) -> None:
    """Run a stage from checks to the finished run folder; run.json says how it ended."""
    run = open_run(stage, cfg, data, model, out, resume=resume)
    try:
        stage.run(cfg, run)
    except BaseException as error:
        if run.record["status"] == "running":
            status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            run.write(status=status)
            if status == "interrupted" and launch.is_main():  # typer ends with 130 and no word
                print("stopped. The same command with --resume goes on from the last checkpoint.", file=sys.stderr)  # noqa: T201
        raise
    if run.record["status"] != "done":
        raise ChimedError(f"the stage '{stage.name}' ended without ctx.fit: nothing was trained.")
