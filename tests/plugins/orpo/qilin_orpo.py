"""A stage from another package: odds-ratio preference optimisation (Hong et al. 2024) by TRL's trainer."""

from typing import Any, ClassVar

from qilin_stages.plan import Facts, Plan, estimate
from qilin_stages.recipe import StageConfig


class ORPOConfig(StageConfig):
    beta: float = 0.1
    max_length: int = 512


class ORPO:
    name: ClassVar[str] = "orpo"
    consumes: ClassVar[str] = "dpo"
    config: ClassVar[type[StageConfig]] = ORPOConfig

    def plan(self, cfg: ORPOConfig, facts: Facts) -> Plan:
        return estimate(self.name, cfg, facts)

    def run(self, cfg: ORPOConfig, ctx: Any) -> None:
        from trl.experimental.orpo import ORPOConfig as Args, ORPOTrainer  # noqa: I001

        model, tokenizer = ctx.model(cfg)
        train, held_out = ctx.dataset(cfg)
        args = ctx.training_args(Args, cfg, beta=cfg.beta, max_length=cfg.max_length)
        ctx.fit(ORPOTrainer(model, args, train_dataset=train, eval_dataset=held_out, processing_class=tokenizer,
                            peft_config=ctx.peft(cfg)))  # fmt: skip
