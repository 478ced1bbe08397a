"""Continued pre-training (paper, equation 1): next-token loss on whole documents, packed without losing text."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from chimed.records import Split
from qilin_stages.data.packing import Packing
from qilin_stages.data.tokens import Preparation
from qilin_stages.plan import Facts, Plan, estimate
from qilin_stages.recipe import StageConfig
from qilin_stages.stage import Context


class CPTConfig(StageConfig):
    """`block_size` in tokens. `bfd_split` keeps documents apart; `wrapped` is the classic endless stream."""

    block_size: int = Field(default=1024, gt=1)
    packing: Packing = "bfd_split"
    separator: Literal["eos", "none"] = "eos"


class CPT:
    """The cpt stage."""

    name: ClassVar[str] = "cpt"
    consumes: ClassVar[Split] = "cpt"
    config: ClassVar[type[StageConfig]] = CPTConfig

    def preparation(self, cfg: CPTConfig, *, seq2seq: bool = False) -> Preparation:
        """How rows become blocks."""
        return Preparation("cpt", block=cfg.block_size, packing=packing_of(cfg, cfg.packing), separator=cfg.separator,
                           held_out=cfg.held_out)  # fmt: skip

    def plan(self, cfg: CPTConfig, facts: Facts) -> Plan:
        """Arithmetic alone."""
        return estimate(self.name, cfg, facts)

    def run(self, cfg: CPTConfig, ctx: Context) -> None:
        """Train."""
        train_packed(cfg, ctx, self.preparation(cfg))


def packing_of(cfg: StageConfig, packing: Packing) -> Packing:
    """The packing to use; a prefix lives in the key-value cache, where packed documents would see each other's."""
    return "none" if cfg.adapter.kind == "prefix" else packing


def train_packed(cfg: Any, ctx: Any, how: Preparation) -> None:
    """The loop that cpt and sft share: packed rows, loss on the learnt tokens."""
    from transformers import TrainingArguments

    from qilin_stages.training.loops import PackedTrainer, Padded, packed_batch

    alone = cfg.adapter.kind == "prefix"
    train, held_out = ctx.prepared(how)
    model, tokenizer = ctx.model(cfg, packed=not alone)
    args = ctx.training_args(TrainingArguments, cfg, evaluate=held_out is not None, remove_unused_columns=False,
                             prediction_loss_only=True)  # fmt: skip
    collate = Padded(tokenizer.pad_token_id) if alone else packed_batch
    ctx.fit(PackedTrainer(ctx.with_adapter(cfg, model), args, train_dataset=train, eval_dataset=held_out,
                          data_collator=collate))  # fmt: skip
