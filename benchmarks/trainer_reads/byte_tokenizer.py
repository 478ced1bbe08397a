"""A tokenizer that loses nothing: one token per byte, ChatML turns; what a trainer made of a row can be read back."""

import re
import sys
from pathlib import Path
from typing import Any

TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_TURN = re.compile(r"<\|im_start\|>(\w+)\n(.*?)<\|im_end\|>\n?", re.DOTALL)


def make() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|pad|>",
        model_max_length=10**9, clean_up_tokenization_spaces=False,
    )  # fmt: skip
    made.chat_template = TEMPLATE
    return made


def save(folder: Path) -> None:
    """Write the tokenizer and the configuration of a model too small to matter."""
    from transformers import LlamaConfig

    make().save_pretrained(folder)
    LlamaConfig(vocab_size=300, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
                max_position_embeddings=65536, bos_token_id=256, eos_token_id=257,
                pad_token_id=258).save_pretrained(folder)  # fmt: skip


def turns(text: str) -> list[list[str]]:
    """(role, content) of a text that is nothing but ChatML turns."""
    if _TURN.sub("", text).strip():
        sys.exit(f"more than turns in: {text[:200]!r}")
    return [[role, content] for role, content in _TURN.findall(text)]


def decode(tokenizer: Any, ids: list[int]) -> str:
    return str(tokenizer.decode(ids, skip_special_tokens=False))
