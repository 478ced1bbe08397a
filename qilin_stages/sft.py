"""Supervised fine-tuning (paper, equation 2): loss on every answer and its end token, each turn cut at 256/256."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from chimed.records import Split
from qilin_stages.cpt import packing_of, train_packed
from qilin_stages.data.tokens import Preparation
from qilin_stages.plan import Facts, Plan, estimate
from qilin_stages.recipe import StageConfig
from qilin_stages.stage import Context


class SFTConfig(StageConfig):
    """Lengths in tokens: per turn, of the whole dialogue, and of a packed row. `template` names a file on purpose."""

    max_source_length: int = Field(default=256, gt=0)
    max_target_length: int = Field(default=256, gt=1)
    max_length: int = Field(default=512, gt=1)
    packing: Literal["bfd_split", "none"] = "bfd_split"
    pack_length: int = Field(default=1024, gt=1)
    template: str | None = None


class SFT:
    """The sft stage."""

    name: ClassVar[str] = "sft"
    consumes: ClassVar[Split] = "sft"
    config: ClassVar[type[StageConfig]] = SFTConfig

    def preparation(self, cfg: SFTConfig, *, seq2seq: bool = False) -> Preparation:
        """How dialogues become packed rows; a dialogue is never split (a row is as long as the longest may be)."""
        return Preparation(
            "sft", cfg.max_source_length, cfg.max_target_length, cfg.max_length, max(cfg.pack_length, longest(cfg)),
            packing_of(cfg, cfg.packing), seq2seq=seq2seq, held_out=cfg.held_out,
        )  # fmt: skip

    def plan(self, cfg: SFTConfig, facts: Facts) -> Plan:
        """Arithmetic alone."""
        return estimate(self.name, cfg, facts)

    def run(self, cfg: SFTConfig, ctx: Any) -> None:
        """Train; an encoder-decoder by transformers' own trainer, all else packed."""
        how = self.preparation(cfg, seq2seq=ctx.seq2seq)
        if ctx.seq2seq:
            _train_seq2seq(cfg, ctx, how)
        else:
            train_packed(cfg, ctx, how)


def longest(cfg: SFTConfig) -> int:
    """Tokens of the longest dialogue after the cuts."""
    return max(cfg.max_length, cfg.max_source_length + cfg.max_target_length)


def _train_seq2seq(cfg: SFTConfig, ctx: Context, how: Preparation) -> None:
    from transformers import DataCollatorForSeq2Seq, Seq2SeqTrainer, Seq2SeqTrainingArguments

    train, held_out = ctx.prepared(how)  # type: ignore[attr-defined]
    model, tokenizer = ctx.model(cfg)
    model = ctx.with_adapter(cfg, model)  # type: ignore[attr-defined]
    args = ctx.training_args(Seq2SeqTrainingArguments, cfg, evaluate=held_out is not None)
    ctx.fit(Seq2SeqTrainer(model, args, train_dataset=train, eval_dataset=held_out,
                           data_collator=DataCollatorForSeq2Seq(tokenizer, model)))  # fmt: skip
