"""Recipes: one TOML file per reproduction, typed, with overrides `key=value` and a near name for every unknown key.

A recipe has `[common]` and `[model]` and one table per stage; a table may say `like = "dpo"` to inherit another's. Key
names under `train` are those of transformers' TrainingArguments; `train.extra` passes through to it untouched.
"""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chimed.errors import UsageError

FOLDER = Path(__file__).resolve().parent / "recipes"


class Strict(BaseModel):
    """A frozen table that knows all of its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Adapter(Strict):
    """What is trained: all weights (`none`), a low-rank adapter, or a prefix (P-tuning v2)."""

    kind: Literal["none", "lora", "dora", "qlora", "prefix"] = "lora"
    r: int = Field(default=8, gt=0)
    alpha: int = Field(default=16, gt=0)
    dropout: float = Field(default=0.05, ge=0, lt=1)
    targets: str | list[str] = "all-linear"
    virtual_tokens: int = Field(default=128, gt=0)
    projection: bool = False


class Train(Strict):
    """Arguments of the trainer under transformers' own names; lengths in tokens, `warmup_steps` < 1 is a ratio."""

    per_device_train_batch_size: int = Field(default=1, gt=0)
    gradient_accumulation_steps: int = Field(default=1, gt=0)
    learning_rate: float = Field(default=2e-5, gt=0)
    num_train_epochs: float = Field(default=1, gt=0)
    max_steps: int = -1
    warmup_steps: float = Field(default=0.05, ge=0)
    weight_decay: float = Field(default=0.05, ge=0)
    lr_scheduler_type: str = "linear"
    optim: str = "adamw_torch"
    max_grad_norm: float = Field(default=1.0, ge=0)
    seed: int = 42
    data_seed: int = 42
    bf16: bool | Literal["auto"] = "auto"
    activation_checkpointing: bool = False
    logging_steps: int = Field(default=10, gt=0)
    save_steps: int = Field(default=500, gt=0)
    save_total_limit: int = Field(default=2, gt=0)
    eval_steps: int = Field(default=500, gt=0)
    deepspeed: str | None = None
    extra: dict[str, Any] = Field(default_factory=dict)


class Shape(Strict):
    """What arithmetic needs to know of a base model; `characters_per_token` serves estimates without its tokenizer."""

    name: str
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int | None = None
    head_dim: int | None = None
    vocab_size: int
    tie_word_embeddings: bool = False
    gated: bool = True
    characters_per_token: float = 1.5


class StageConfig(Strict):
    """What every stage knows; a stage's own config adds its keys."""

    recipe: str = "built-in defaults"
    parent: str | None = None
    gpus: int = Field(default=1, gt=0)
    gpu: str = "A100-80G"
    mfu: float = Field(default=0.4, gt=0, le=1)
    model: Shape | None = None
    adapter: Adapter = Adapter()
    train: Train = Train()
    keep_adapter: bool = False
    held_out: float = Field(default=0.0, ge=0, lt=1)


Config = TypeVar("Config", bound=StageConfig)


def names() -> list[str]:
    """The packaged recipes."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(recipe: str | None, stage: str, config: type[Config], overrides: list[str]) -> Config:
    """The config of one stage from a recipe (a file or a packaged name) and overrides `train.learning_rate=1e-4`.

    Raises UsageError for an unknown recipe, table or key, with the nearest known name.
    """
    document = _read(recipe) if recipe else {stage: {}}
    changes = _tree(overrides)
    table = _table(document, stage, config, changes.pop("like", None), recipe or "built-in defaults")
    _check_paths(changes, config, recipe or "built-in defaults")
    return _validate(config, _merged(table, changes), recipe or "built-in defaults")


def _read(recipe: str) -> dict[str, Any]:
    path = Path(recipe) if recipe.endswith(".toml") or "/" in recipe else FOLDER / f"{recipe}.toml"
    if not path.is_file():
        near = difflib.get_close_matches(recipe, names(), 1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise UsageError(f"{recipe}: no such recipe.{hint} Packaged ones: {', '.join(names())}; or give a .toml file.")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not TOML: {error}.") from None


def _table(
    document: dict[str, Any], stage: str, config: type[StageConfig], like: str | None, recipe: str
) -> dict[str, Any]:
    tables = [name for name in document if name not in {"common", "model"}]
    own = dict(document.get(stage, {}))
    like = own.pop("like", like)
    if stage not in document and like is None:
        raise UsageError(f"{recipe} has no [{stage}] table; it has: {', '.join(tables)}. Add one, or say like=NAME.")
    if like is not None and (like not in document or like == stage):
        raise UsageError(f"{recipe}: [{stage}] is like '{like}', which is not there; it has: {', '.join(tables)}.")
    base = {key: value for key, value in document.get(like or "", {}).items() if key in config.model_fields}
    base.pop("like", None)
    shape = {"model": document["model"]} if "model" in document else {}
    merged = _merged(_merged(document.get("common", {}), base), own)
    return {"recipe": recipe, **shape, **merged}


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _merged(result[key], value) if both else value
    return result


def _tree(overrides: list[str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"'{text}': an override is key=value, for example train.learning_rate=1e-4.")
        node = tree
        *parents, leaf = key.split(".")
        for part in parents:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise UsageError(f"'{text}': '{part}' was already given a plain value.")
        node[leaf] = _value(value)
    return tree


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def paths(config: type[BaseModel], prefix: str = "") -> list[str]:
    """All dotted keys of a config model, such as `train.learning_rate`."""
    found = []
    for name, field in config.model_fields.items():
        inner = _model_of(field.annotation)
        found += [prefix + name] if inner is None else [prefix + name, *paths(inner, f"{prefix}{name}.")]
    return found


def _model_of(annotation: Any) -> type[BaseModel] | None:
    options = [annotation, *getattr(annotation, "__args__", ())]
    return next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), None)


def _near(key: str, config: type[BaseModel]) -> str:
    known = paths(config)
    leaf = key.rsplit(".", 1)[-1]
    same = [path for path in known if path.rsplit(".", 1)[-1] == leaf]
    leaves = {path.rsplit(".", 1)[-1]: path for path in known}
    close = same or difflib.get_close_matches(key, known, 1) or difflib.get_close_matches(leaf, leaves, 1)
    return f" (did you mean '{leaves.get(close[0], close[0])}'?)" if close else ""


def _check_paths(changes: dict[str, Any], config: type[StageConfig], recipe: str, prefix: str = "") -> None:
    known = set(paths(config))
    for key, value in changes.items():
        path = prefix + key
        if path not in known:
            raise UsageError(f"{path}={value}: no such key{_near(path, config)}.")
        if isinstance(value, dict) and path != "train.extra":
            _check_paths(value, config, recipe, f"{path}.")


def _validate(config: type[Config], values: dict[str, Any], recipe: str) -> Config:
    try:
        return config.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        hint = _near(key, config) if first["type"] == "extra_forbidden" else f", got {first['input']!r}"
        raise UsageError(f"{recipe}: {key}: {first['msg']}{hint}.") from None
