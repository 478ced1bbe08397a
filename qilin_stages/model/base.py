"""Loading a base model: safetensors only, never remote code, in a dtype the device really has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from chimed.errors import DataError, UsageError
from qilin_stages.data.snapshot import snapshot
from qilin_stages.recipe import Shape

_UNSAFE = (".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack")


def folder_of(named: str) -> Path:
    """The local folder of a model: a path, or `ORG/NAME@REVISION` fetched from the Hub.

    Raises DataError where there are no safetensors, or only formats that can run code on loading.
    """
    path = Path(named)
    if not path.is_dir():
        if "@" not in named or named.count("/") != 1:
            raise DataError(f"{named}: no such folder. Give a model's or a run's folder, or ORG/NAME@REVISION.")
        path = snapshot(named, "model", ["*.safetensors", "*.json", "*.jinja", "tokenizer*"])
    if not (path / "config.json").is_file():
        raise DataError(f"{named}: no config.json. This is no model folder; for a run give the run's own folder.")
    if not list(path.glob("*.safetensors")):
        other = sorted(file.name for file in path.iterdir() if file.suffix in _UNSAFE)
        found = f"only {', '.join(other)}" if other else "no weights"
        raise DataError(f"{named}: {found}. Only safetensors are read; convert the weights first "
                        "(for Baichuan: qilin-stage convert-baichuan).")  # fmt: skip
    return path


def config_of(folder: Path) -> dict[str, Any]:
    """A model's config.json. Raises DataError for one that would need remote code."""
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{folder}/config.json: not JSON: {error}.") from None
    kind = config.get("model_type")
    if kind == "baichuan":
        raise DataError(f"{folder}: Baichuan's own code is not run. Convert it: qilin-stage convert-baichuan.")
    if "auto_map" in config and kind is None:
        raise DataError(f"{folder}: the model needs remote code, which is never run.")
    return config


def shape_of(folder: Path) -> Shape:
    """The shape of a model from its config.json, under the names of Llama, GPT-2 or T5."""
    config = config_of(folder)

    def first(*names: str) -> Any:
        return next((config[name] for name in names if config.get(name) is not None), None)

    hidden, layers = first("hidden_size", "n_embd", "d_model"), first("num_hidden_layers", "n_layer", "num_layers")
    if hidden is None or layers is None or "vocab_size" not in config:
        raise DataError(f"{folder}/config.json: no hidden size, layers or vocabulary; this shape is not known.")
    decoder = config.get("num_decoder_layers", 0) if config.get("is_encoder_decoder") else 0
    return Shape(
        name=str(config.get("model_type")),
        hidden_size=hidden,
        intermediate_size=first("intermediate_size", "n_inner", "d_ff") or 4 * hidden,
        num_hidden_layers=layers + decoder,
        num_attention_heads=first("num_attention_heads", "n_head", "num_heads"),
        num_key_value_heads=config.get("num_key_value_heads"),
        head_dim=first("head_dim", "d_kv"),
        vocab_size=config["vocab_size"],
        tie_word_embeddings=bool(config.get("tie_word_embeddings", config.get("model_type") in {"gpt2", "t5"})),
        gated=config.get("model_type") not in {"gpt2", "t5"},
    )


def is_seq2seq(folder: Path) -> bool:
    """Whether the model is an encoder-decoder (T5)."""
    return bool(config_of(folder).get("is_encoder_decoder"))


def positions_of(folder: Path) -> int | None:
    """The longest text that a causal model reads by its config.json; None where that is not said or has no limit."""
    config = config_of(folder)
    size = config.get("max_position_embeddings") or config.get("n_positions")
    if not size or config.get("is_encoder_decoder"):
        return None
    scaling = config.get("rope_scaling") or config.get("rope_parameters") or {}
    return int(size * max(1.0, float(scaling.get("factor") or 1)))


def use_bf16(wanted: bool | str) -> bool:
    """Whether to train in bf16; `auto` says yes only where the device is faster in it than in fp32.

    A CPU has to have matrix tiles for that: with avx512_bf16 alone, products ran at 0.6 of the speed of fp32.

    Raises UsageError where it is demanded and the device cannot.
    """
    import torch

    if torch.cuda.is_available():
        able = faster = torch.cuda.is_bf16_supported()
    else:
        capability = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        able = bool(capability.get("avx512_bf16") or capability.get("amx_bf16") or capability.get("bf16"))
        faster = bool(capability.get("amx_bf16"))
    if wanted is True and not able:
        raise UsageError("train.bf16=true: this device has no bf16 arithmetic (it would be slower than fp32, or fail). "
                         "Say train.bf16=false or auto.")  # fmt: skip
    return faster if wanted == "auto" else bool(wanted)


def load(folder: Path, *, attention: str = "sdpa", dtype: str = "float32", quantised: bool = False) -> Any:
    """A causal or encoder-decoder model in evaluation mode."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    kind = AutoModelForSeq2SeqLM if is_seq2seq(folder) else AutoModelForCausalLM
    more: dict[str, Any] = {} if is_seq2seq(folder) else {"attn_implementation": attention}
    if quantised:
        more["quantization_config"] = _four_bits()
    try:
        return kind.from_pretrained(folder, dtype=getattr(torch, dtype), use_safetensors=True, trust_remote_code=False,
                                    local_files_only=True, **more)  # fmt: skip
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(f"{folder}: the model does not load: {str(error).splitlines()[0]}") from error


def _four_bits() -> Any:
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )  # fmt: skip


def attention_for(packed: bool, device: str) -> str:
    """The attention to load a model with: flash on a GPU that has it, per document on packed rows, else sdpa."""
    from importlib.util import find_spec

    from qilin_stages.model.attention import register

    if not packed:
        return "sdpa"
    return "flash_attention_2" if device == "cuda" and find_spec("flash_attn") else register()
