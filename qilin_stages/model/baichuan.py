"""Baichuan-7B and Baichuan2-7B checkpoints in Llama's layout, so that no remote code runs.

Both are Llama with query, key and value in one matrix (`W_pack`, in that order). Baichuan2 normalises every row of its
output head before use; here that is done once. The 13B models use ALiBi instead of rotary positions and have no Llama
layout. Source: modeling_baichuan.py of baichuan-inc/Baichuan-7B and Baichuan2-7B-Base.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chimed.errors import ConflictError, DataError
from qilin_stages.model.sentencepiece import convert as convert_tokenizer


def convert(source: Path, out: Path) -> None:
    """Write `out` as a Llama model with a fast tokenizer. Weights keep their dtype.

    Raises DataError for anything that is no 7B Baichuan checkpoint, ConflictError where `out` holds a model.
    """
    config = _config(source)
    if out.exists() and any(out.iterdir()):
        raise ConflictError(f"{out}: holds a model already, or something else. Name an empty folder.")
    out.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    _write_weights(source, part, normalised=is_second(config))
    (part / "config.json").write_text(json.dumps(_llama(config), indent=2) + "\n", encoding="utf-8")
    convert_tokenizer(source, part)
    out.rmdir()
    part.rename(out)


def is_second(config: dict[str, Any]) -> bool:
    """Whether this is Baichuan2, whose output head is normalised: by its own keys in config.json."""
    return "z_loss_weight" in config or config.get("vocab_size") == 125696


def _config(source: Path) -> dict[str, Any]:
    path = source / "config.json"
    if not path.is_file():
        raise DataError(f"{source}: no config.json; this is no checkpoint.")
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if config.get("model_type") != "baichuan":
        raise DataError(f"{source}: a {config.get('model_type')} checkpoint, not baichuan; nothing to convert.")
    if config.get("hidden_size") == 5120 or "max_position_embeddings" not in config and not is_second(config):
        raise DataError(f"{source}: a 13B Baichuan has ALiBi positions, which Llama's layout cannot hold. "
                        "Use the 7B.")  # fmt: skip
    return config


def _llama(config: dict[str, Any]) -> dict[str, Any]:
    kept = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "rms_norm_eps",
            "vocab_size", "bos_token_id", "eos_token_id", "pad_token_id", "hidden_act")  # fmt: skip
    positions = config.get("max_position_embeddings") or config.get("model_max_length") or 4096
    dtype = config.get("dtype") or config.get("torch_dtype") or "bfloat16"
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "max_position_embeddings": positions,
        "num_key_value_heads": config["num_attention_heads"], "tie_word_embeddings": False, "attention_bias": False,
        "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"}, "dtype": dtype,
        **{key: config[key] for key in kept if key in config},
    }  # fmt: skip


def _shards(source: Path) -> list[Path]:
    """Weight files: safetensors, else the maker's own pickled ones, read by torch's loader for plain tensors only."""
    found = sorted(source.glob("*.safetensors")) or sorted(source.glob("pytorch_model*.bin"))
    if not found:
        raise DataError(f"{source}: no weights (*.safetensors or pytorch_model*.bin).")
    return found


def _tensors(path: Path) -> dict[str, Any]:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return dict(load_file(path))
    import pickle

    import torch

    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True, mmap=True))
    except (pickle.UnpicklingError, RuntimeError) as error:
        first = str(error).splitlines()[0]
        raise DataError(f"{path}: holds more than plain tensors, and code is never run: {first}") from None


def _write_weights(source: Path, out: Path, *, normalised: bool) -> None:
    """One output file per input file, then the index; memory holds one file at a time."""
    from safetensors.torch import save_file

    shards, size = _shards(source), 0
    index: dict[str, str] = {}
    for i, path in enumerate(shards):
        name = f"model-{i + 1:05d}-of-{len(shards):05d}.safetensors"
        tensors = dict(renamed(_tensors(path), normalised=normalised))
        save_file(tensors, out / name, metadata={"format": "pt"})
        index |= dict.fromkeys(tensors, name)
        size += sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if "lm_head.weight" not in index:
        raise DataError(f"{source}: the checkpoint has no lm_head.weight; a part of it is missing.")
    document = {"metadata": {"total_size": size}, "weight_map": index}
    (out / "model.safetensors.index.json").write_text(json.dumps(document, indent=1), encoding="utf-8")


def renamed(tensors: dict[str, Any], *, normalised: bool) -> Iterator[tuple[str, Any]]:
    """Tensors under Llama's names: W_pack in three, the head normalised where Baichuan2 would, buffers left out."""
    from torch.nn.functional import normalize

    for name, tensor in tensors.items():
        if name.endswith("W_pack.weight"):
            for letter, third in zip("qkv", tensor.chunk(3, 0), strict=True):
                yield name.replace("W_pack", f"{letter}_proj"), third.contiguous().clone()
        elif name == "lm_head.weight" and normalised:
            yield name, normalize(tensor.float(), dim=1).to(tensor.dtype)
        elif not name.endswith("rotary_emb.inv_freq"):
            yield name, tensor.contiguous().clone()
