"""A tiny Llama-shaped model and a Chinese byte-fallback BPE tokenizer, so that every stage runs on a laptop's CPU."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from chimed.errors import ConflictError
from qilin_stages.data.split import Data
from qilin_stages.data.template import TEMPLATES

SPECIAL = ["<|endoftext|>", "<|pad|>", "<|im_start|>", "<|im_end|>"]


def texts(data: Data, limit: int = 20_000) -> Iterator[str]:
    """Texts of a release's first rows, whatever its split."""
    seen = 0
    for batch in data.batches():
        for column in ("text", "messages", "prompt", "chosen", "rejected"):
            for value in batch.get(column, []):
                yield from [value] if isinstance(value, str) else [message["content"] for message in value]
        seen += len(batch["id"])
        if seen >= limit:
            return


def make_tokenizer(out: Path, corpus: Iterator[str], vocabulary: int) -> None:
    """Train a BPE tokenizer whose unknown characters fall back to bytes, and write it with its chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    raw = Tokenizer(models.BPE(byte_fallback=True, unk_token=None))
    raw.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split("\n", "isolated"),
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.Punctuation(behavior="isolated"),
    ])  # fmt: skip
    raw.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    lines = list(corpus)
    alphabet = common_characters(lines, max(16, vocabulary // 2 - 260))
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=SPECIAL + bytes_, show_progress=False, max_token_length=8,
        initial_alphabet=alphabet, limit_alphabet=len(alphabet),
    )  # fmt: skip
    raw.train_from_iterator(lines, trainer)
    out.mkdir(parents=True, exist_ok=True)
    _write(raw.to_str(), out)


def common_characters(lines: list[str], count: int) -> list[str]:
    """The most frequent characters, ties by code point (the trainer's own choice among ties differs from run to run)."""
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(line)
    return sorted(counts, key=lambda character: (-counts[character], character))[:count]


def _write(tokenizer: str, out: Path) -> None:
    document = json.loads(tokenizer)
    # the byte tokens are words of the model, not special tokens that a text could name
    document["added_tokens"] = [token for token in document["added_tokens"] if token["content"] in SPECIAL]
    (out / "tokenizer.json").write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": SPECIAL[3], "pad_token": SPECIAL[1],
        "bos_token": None, "unk_token": None, "clean_up_tokenization_spaces": False, "model_max_length": 4096,
        "additional_special_tokens": [SPECIAL[0], SPECIAL[2]],
    }  # fmt: skip
    (out / "tokenizer_config.json").write_text(json.dumps(config, ensure_ascii=False, indent=2), encoding="utf-8")
    shutil.copyfile(TEMPLATES / "chatml.jinja", out / "chat_template.jinja")


def make_model(out: Path, *, hidden: int = 64, layers: int = 2, heads: int = 4, seed: int = 42) -> None:
    """Write a randomly initialised Llama of this shape for the tokenizer in `out`."""
    import torch
    from tokenizers import Tokenizer
    from transformers import LlamaConfig, LlamaForCausalLM

    raw = Tokenizer.from_file(str(out / "tokenizer.json"))
    config = LlamaConfig(
        vocab_size=raw.get_vocab_size(), hidden_size=hidden, intermediate_size=hidden * 8 // 3 // 8 * 8,
        num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=max(1, heads // 2),
        max_position_embeddings=4096, bos_token_id=None, eos_token_id=raw.token_to_id(SPECIAL[3]),
        pad_token_id=raw.token_to_id(SPECIAL[1]), tie_word_embeddings=False,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        LlamaForCausalLM(config).save_pretrained(out)


def make(out: Path, corpora: list[Data], *, vocabulary: int = 4096, hidden: int = 64, layers: int = 2) -> None:
    """A tiny model folder from the texts of releases.

    Raises ConflictError where `out` already holds a model.
    """
    if (out / "config.json").exists():
        raise ConflictError(f"{out}: holds a model already. Name another folder.")
    make_tokenizer(out, (text for data in corpora for text in texts(data)), vocabulary)
    make_model(out, hidden=hidden, layers=layers)
