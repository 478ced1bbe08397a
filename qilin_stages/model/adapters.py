"""Adapters: LoRA, DoRA, QLoRA (CUDA only) and prefixes (P-tuning v2), and their merge into the base.

A merge is done in fp32 from the saved parent and cast once, so that rounding does not add up over the stages; logits
before and after are compared.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from chimed.errors import ChimedError, DataError, UsageError
from qilin_stages.model.base import folder_of, load
from qilin_stages.recipe import Adapter

TOLERANCE = 1e-4


def check(adapter: Adapter) -> None:
    """Refuse QLoRA without CUDA or without bitsandbytes, before anything is loaded."""
    if adapter.kind != "qlora":
        return
    from importlib.util import find_spec

    import torch

    if not torch.cuda.is_available():
        raise UsageError("adapter.kind=qlora needs a CUDA device: its 4-bit weights have no CPU kernels. "
                         "Use adapter.kind=lora here.")  # fmt: skip
    if find_spec("bitsandbytes") is None:
        raise UsageError("adapter.kind=qlora needs the package bitsandbytes. Install it, or use adapter.kind=lora.")


def peft_config(adapter: Adapter, *, seq2seq: bool = False) -> Any:
    """The peft config of an adapter; None where all weights are trained."""
    if adapter.kind == "none":
        return None
    task = "SEQ_2_SEQ_LM" if seq2seq else "CAUSAL_LM"
    if adapter.kind == "prefix":
        from peft import PrefixTuningConfig

        return PrefixTuningConfig(
            task_type=task, num_virtual_tokens=adapter.virtual_tokens, prefix_projection=adapter.projection
        )
    from peft import LoraConfig

    return LoraConfig(
        task_type=task, r=adapter.r, lora_alpha=adapter.alpha, lora_dropout=adapter.dropout,
        target_modules=adapter.targets, use_dora=adapter.kind == "dora",
    )  # fmt: skip


def add(model: Any, adapter: Adapter, *, seq2seq: bool = False) -> Any:
    """The model with its adapter, the base frozen.

    Raises UsageError where the named target layers do not exist.
    """
    config = peft_config(adapter, seq2seq=seq2seq)
    if config is None:
        return model
    from peft import get_peft_model

    if adapter.kind == "qlora":
        from peft import prepare_model_for_kbit_training

        model = prepare_model_for_kbit_training(model)
    if adapter.kind == "lora":
        from torch.nn import Linear

        from qilin_stages.model.low_rank import CPULinear

        config._register_custom_module({Linear: CPULinear})
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        raise UsageError(f"adapter: {str(error).splitlines()[0]}") from None


def attach(model: Any, folder: Path) -> Any:
    """A base model with a saved adapter."""
    from peft import PeftModel

    if not (folder / "adapter_model.safetensors").is_file():
        raise DataError(f"{folder}: no adapter_model.safetensors; only safetensors are read.")
    return PeftModel.from_pretrained(model, folder)


def mergeable(folder: Path) -> bool:
    """Whether an adapter can be merged (a prefix cannot)."""
    return '"PREFIX_TUNING"' not in (folder / "adapter_config.json").read_text(encoding="utf-8")


def merged(base: Path, adapter: Path) -> tuple[Any, float]:
    """The base in fp32 with the adapter merged in, and the largest difference of logits before and after.

    Raises DataError for a prefix, ChimedError where the logits differ by more than the tolerance.
    """
    if not mergeable(adapter):
        raise DataError(f"{adapter}: a prefix cannot be merged into weights; keep it beside its base.")
    model = attach(load(base, dtype="float32"), adapter).eval()
    before = _logits(model)
    model = model.merge_and_unload(safe_merge=True)
    difference = float((before - _logits(model)).abs().max())
    scale = max(1.0, float(before.abs().max()))
    if not difference <= TOLERANCE * scale:
        raise ChimedError(f"{adapter}: the merged model's logits differ by {difference:.2e} from the adapter's; "
                          "nothing was written.")  # fmt: skip
    return model, difference


def _logits(model: Any) -> Any:
    import torch

    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, model.config.vocab_size, (1, 64), generator=generator)
    more = {"decoder_input_ids": ids} if model.config.is_encoder_decoder else {}
    with torch.no_grad():
        return model(input_ids=ids, **more).logits.float()


def name_base(adapter: Path, name: str) -> None:
    """Put the lineage's name of the base into an adapter's config, where peft wrote a path of this machine."""
    file = adapter / "adapter_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(config | {"base_model_name_or_path": name}, indent=2) + "\n", encoding="utf-8")


def save(model: Any, out: Path, dtype: str, tokenizer_from: Path, template: str | None) -> None:
    """Write weights as safetensors in `dtype`, with the tokenizer's files and the chat template beside them."""
    import torch

    model.to(getattr(torch, dtype)).save_pretrained(out)
    copy_tokenizer(tokenizer_from, out, template)
    folder_of(str(out))


def copy_tokenizer(source: Path, out: Path, template: str | None) -> None:
    """The tokenizer's files as they are; the chat template that was trained with wins over the source's own."""
    import shutil

    names = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json",
             "chat_template.jinja")  # fmt: skip
    for name in names:
        if (source / name).is_file() and source != out:
            shutil.copyfile(source / name, out / name)
    if template is not None:
        (out / "chat_template.jinja").write_text(template, encoding="utf-8")
