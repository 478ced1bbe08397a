"""Direct preference optimisation (paper, equations 3 and 4): the reference is the same model with its adapter off."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from chimed.errors import UsageError
from chimed.records import Split
from qilin_stages.data.tokens import Preparation
from qilin_stages.plan import Facts, Plan, estimate
from qilin_stages.recipe import StageConfig


class DPOConfig(StageConfig):
    """`beta` weighs the implicit reward. `disable_dropout` sets every dropout to zero, the adapter's too.

    `precompute` takes the reference's log-probabilities once before the first step instead of with every batch; None
    does so where it pays (several epochs) or must be (no adapter to switch off).
    """

    beta: float = Field(default=0.1, gt=0)
    max_source_length: int = Field(default=256, gt=0)
    max_target_length: int = Field(default=256, gt=1)
    disable_dropout: bool = False
    precompute: bool | None = None
    template: str | None = None


class DPO:
    """The dpo stage."""

    name: ClassVar[str] = "dpo"
    consumes: ClassVar[Split] = "dpo"
    config: ClassVar[type[StageConfig]] = DPOConfig

    def preparation(self, cfg: DPOConfig, *, seq2seq: bool = False) -> Preparation:
        """How pairs are cut."""
        return Preparation("dpo", cfg.max_source_length, cfg.max_target_length, packing="none", held_out=cfg.held_out)

    def plan(self, cfg: DPOConfig, facts: Facts) -> Plan:
        """Arithmetic alone."""
        return estimate(self.name, cfg, facts)

    def run(self, cfg: DPOConfig, ctx: Any) -> None:
        """Train."""
        from transformers import TrainingArguments
        from trl.trainer.utils import disable_dropout_in_model

        from qilin_stages.training.loops import PairTrainer, pair_batch
        from qilin_stages.training.reference import with_reference

        if cfg.adapter.kind == "prefix":
            raise UsageError("adapter.kind=prefix in dpo: pairs share a row, which a prefix cannot. Use lora or none.")
        train, held_out = ctx.prepared(self.preparation(cfg))
        model, _ = ctx.model(cfg, packed=True)
        if wants_precompute(cfg):
            train, held_out = (rows and with_reference(ctx, model, rows, cfg) for rows in (train, held_out))
        model = ctx.with_adapter(cfg, model)
        if cfg.disable_dropout:
            disable_dropout_in_model(model)
        args = ctx.training_args(TrainingArguments, cfg, evaluate=held_out is not None, remove_unused_columns=False)
        ctx.fit(PairTrainer(model, args, beta=cfg.beta, train_dataset=train, eval_dataset=held_out,
                            data_collator=pair_batch))  # fmt: skip


def wants_precompute(cfg: DPOConfig) -> bool:
    """Whether the reference is computed before training."""
    if cfg.adapter.kind == "none":
        if cfg.precompute is False:
            raise UsageError("precompute=false without an adapter: there would be no reference. Leave it out.")
        if (cfg.train.deepspeed or "").endswith("zero3"):
            raise UsageError("dpo without an adapter under ZeRO-3: the reference cannot be computed on partitioned "
                             "weights. Use zero2 or an adapter.")  # fmt: skip
        return True
    return cfg.train.num_train_epochs > 1 if cfg.precompute is None else cfg.precompute
