"""What a run would cost, by arithmetic alone: no torch, no network.

Memory follows the usual accounting of mixed-precision training (ZeRO, Rajbhandari et al. 2020, section 3; activations
after Korthikanti et al. 2022, equation 2 without attention scores). It has not been calibrated on a GPU: read "about".
"""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass, field

from qilin_stages.recipe import Shape, StageConfig

# Dense bf16 tensor-core peak in FLOP/s and memory in GiB, from the makers' data sheets.
GPUS = {
    "A100-80G": (312e12, 80.0),
    "A100-40G": (312e12, 40.0),
    "H100-80G": (989e12, 80.0),
    "RTX-3090": (71e12, 24.0),
    "RTX-4090": (165e12, 24.0),
}
GIB = 2**30


@dataclass(frozen=True)
class Facts:
    """What the data and the model say. `sequences` are rows of the trainer (packed rows where rows are packed).

    `tokens` are those trained on in one epoch, `supervised` those with a loss, `longest` the most tokens of one
    sequence; `reference`: rows also go through a reference model. `exact`: counted with the tokenizer.
    """

    rows: int
    sequences: int
    tokens: int
    supervised: int
    longest: int
    shape: Shape
    cut_rows: int = 0
    cut_tokens: int = 0
    dropped_turns: int = 0
    empty_rows: int = 0
    exact: bool = False
    reference: bool = False


@dataclass(frozen=True)
class Plan:
    """The figures of a planned run; memory in GiB per GPU, hours at the stated MFU."""

    stage: str
    recipe: str
    facts: Facts
    batch: int
    steps: int
    warmup: int
    tokens_total: int
    parameters: int
    trained: int
    flops: float
    hours: float
    gpu: str
    gpus: int
    mfu: float
    memory: dict[str, float] = field(default_factory=dict)
    fits: bool | None = None
    launch: str = ""


def parameters(shape: Shape) -> int:
    """Weights of a decoder of this shape (norms left out)."""
    return shape.vocab_size * shape.hidden_size * (1 if shape.tie_word_embeddings else 2) + shape.num_hidden_layers * (
        sum(a * b for a, b in linears(shape))
    )


def linears(shape: Shape) -> list[tuple[int, int]]:
    """In and out sizes of the linear layers of one block."""
    h, head = shape.hidden_size, shape.head_dim or shape.hidden_size // shape.num_attention_heads
    q, kv = shape.num_attention_heads * head, (shape.num_key_value_heads or shape.num_attention_heads) * head
    up = [(h, shape.intermediate_size)] * (2 if shape.gated else 1)
    return [(h, q), (h, kv), (h, kv), (q, h), *up, (shape.intermediate_size, h)]


def trained(cfg: StageConfig, shape: Shape) -> int:
    """Parameters that get a gradient."""
    adapter = cfg.adapter
    if adapter.kind == "none":
        return parameters(shape)
    if adapter.kind == "prefix":
        kv = (shape.num_key_value_heads or shape.num_attention_heads) * (shape.hidden_size // shape.num_attention_heads)
        return adapter.virtual_tokens * shape.num_hidden_layers * 2 * kv
    pairs = linears(shape)
    if adapter.targets != "all-linear":
        known = dict(zip("q_proj k_proj v_proj o_proj gate_proj up_proj down_proj".split(), pairs, strict=False))
        names = [adapter.targets] if isinstance(adapter.targets, str) else adapter.targets
        pairs = [known.get(name, pairs[0]) for name in names]
    return shape.num_hidden_layers * sum(adapter.r * (a + b) for a, b in pairs)


def memory(cfg: StageConfig, facts: Facts, zero: int) -> dict[str, float]:
    """GiB per GPU by component, about."""
    n, t, shape, world = parameters(facts.shape), trained(cfg, facts.shape), facts.shape, cfg.gpus
    width = 0.5 if cfg.adapter.kind == "qlora" else 2.0 if cfg.train.bf16 is not False else 4.0
    per = cfg.train.per_device_train_batch_size * facts.longest * (2 if facts.reference else 1)
    block = 34 * per * shape.hidden_size
    layers = shape.num_hidden_layers
    activations = 2 * per * shape.hidden_size * layers + block if cfg.train.activation_checkpointing else block * layers
    share = facts.supervised / max(facts.tokens, 1)
    parts = {
        "weights": n * width / (world if zero >= 3 else 1),
        "gradients": t * width / (world if zero >= 2 else 1),
        "optimizer": t * 12 / (world if zero >= 1 else 1),
        "activations": activations,
        "logits": per * share * shape.vocab_size * 4 * 3,
    }
    return {name: round(value / GIB, 4) for name, value in parts.items()}


def zero_stage(cfg: StageConfig) -> int:
    """The ZeRO stage a recipe asks for by name; 2 for a file of the user's own, 0 without DeepSpeed."""
    named = cfg.train.deepspeed
    if not named:
        return 0
    return int(named[-1]) if named in {"zero0", "zero2", "zero3"} else 2


def steps_of(cfg: StageConfig, sequences: int, world: int) -> int:
    """Optimizer steps as the trainer counts them."""
    if cfg.train.max_steps > 0:
        return cfg.train.max_steps
    batches = math.ceil(math.ceil(sequences / cfg.train.per_device_train_batch_size) / world)
    per_epoch = max(1, math.ceil(batches / cfg.train.gradient_accumulation_steps))
    return math.ceil(cfg.train.num_train_epochs * per_epoch)


def estimate(stage: str, cfg: StageConfig, facts: Facts) -> Plan:
    """The plan of a stage: steps, tokens, compute, memory, hours and the launch line."""
    n, batch = parameters(facts.shape), cfg.train.per_device_train_batch_size * cfg.train.gradient_accumulation_steps
    steps = steps_of(cfg, facts.sequences, cfg.gpus)
    epochs = steps * batch * cfg.gpus / max(facts.sequences, 1)
    tokens = int(facts.tokens * epochs)
    passes = 2 * n + 2 * n + (2 * n if cfg.adapter.kind == "none" else 0)
    passes += (2 * n if facts.reference else 0) + (2 * n if cfg.train.activation_checkpointing else 0)
    flops = float(passes) * tokens
    peak, room = GPUS.get(cfg.gpu, (0.0, 0.0))
    parts = memory(cfg, facts, zero_stage(cfg))
    warmup = cfg.train.warmup_steps
    return Plan(
        stage, cfg.recipe, facts, batch * cfg.gpus, steps, math.ceil(steps * warmup) if warmup < 1 else int(warmup),
        tokens, n, trained(cfg, facts.shape), flops, flops / (peak * cfg.mfu * cfg.gpus) / 3600 if peak else 0.0,
        cfg.gpu, cfg.gpus, cfg.mfu, parts, sum(parts.values()) < room if room else None, launch_line(stage, cfg),
    )  # fmt: skip


def launch_line(stage: str, cfg: StageConfig, data: str = "DATA", model: str = "MODEL") -> str:
    """The exact command that starts the run."""
    recipe = "" if cfg.recipe == "built-in defaults" else f" -r {shlex.quote(cfg.recipe)}"
    run = f"run {stage}{recipe} --data {data} --model {model} --out {stage}-run"
    if cfg.gpus == 1 and not cfg.train.deepspeed:
        return f"qilin-stage {run}"
    return f"torchrun --nproc-per-node {cfg.gpus} -m qilin_stages {run}"
