"""What plan and preview need of data and model, gathered without torch."""

from __future__ import annotations

from chimed.errors import UsageError
from qilin_stages.data.cache import Progress
from qilin_stages.data.counting import estimated, exact
from qilin_stages.data.split import Data, open_data
from qilin_stages.data.template import Tokenizer, check, read_tokenizer
from qilin_stages.data.tokens import Preparation
from qilin_stages.lineage import check_template, resolve
from qilin_stages.model.base import is_seq2seq, shape_of
from qilin_stages.plan import Facts
from qilin_stages.recipe import StageConfig
from qilin_stages.stage import Stage


def preparation(stage: Stage, cfg: StageConfig, *, seq2seq: bool = False) -> Preparation:
    """How a stage prepares its rows; a stage that leaves that to its trainer is counted as its split usually is."""
    own = getattr(stage, "preparation", None)
    how: Preparation = own(cfg, seq2seq=seq2seq) if own else Preparation(stage.consumes, packing="none")
    return how


def opened(stage: Stage, cfg: StageConfig, data: str, model: str | None) -> tuple[Data, Tokenizer, Preparation]:
    """The data, the model's tokenizer with the recipe's template, and the preparation."""
    if model is None:
        raise UsageError("no tokenizer to show the rows with. Give --model: a model's or a run's folder.")
    found = resolve(model)
    tok = read_tokenizer(found.tokenizer, getattr(cfg, "template", None))
    check(tok)
    check_template(found, tok)
    return open_data(data, stage.consumes), tok, preparation(stage, cfg, seq2seq=is_seq2seq(found.base))


def facts(stage: Stage, cfg: StageConfig, data: str, model: str | None, progress: Progress) -> Facts:
    """Counts of the data and the shape of the model: exact with a model, else estimated for the recipe's base."""
    pairs = stage.consumes == "dpo"
    if model is not None:
        rows, tok, how = opened(stage, cfg, data, model)
        counts = exact(rows, tok, how, progress)
        return Facts(**counts, shape=shape_of(resolve(model).base), exact=True, reference=pairs)
    if cfg.model is None:
        raise UsageError("neither --model nor a recipe with a [model] table: there is nothing to plan for. "
                         "Say -r qilin-med-7b, or --model.")  # fmt: skip
    how = preparation(stage, cfg)
    counts = estimated(open_data(data, stage.consumes), how, cfg.model.characters_per_token)
    return Facts(**counts, shape=cfg.model, exact=False, reference=pairs)
