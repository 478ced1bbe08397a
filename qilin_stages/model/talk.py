"""Answers from a model by its own chat template, the prompt built as it was in training."""

from __future__ import annotations

from typing import Any

from qilin_stages.data.template import Tokenizer
from qilin_stages.model.adapters import attach
from qilin_stages.model.base import load


def prompt_ids(tok: Tokenizer, messages: list[dict[str, str]]) -> list[int]:
    """Tokens of a conversation with the assistant's turn opened."""
    contents = tok.encode([message["content"] for message in messages])
    pieces = tok.pieces(tuple(message["role"] for message in messages), reply=True)
    return [token for piece in pieces for token in (piece.ids if piece.message is None else contents[piece.message])]


def load_for_generation(base: Any, adapter: Any) -> Any:
    """A model ready to generate, with its adapter where it has one."""
    import torch

    cuda = torch.cuda.is_available()
    model = load(base, dtype="bfloat16" if cuda else "float32")
    model = attach(model, adapter) if adapter is not None else model
    return model.to("cuda" if cuda else "cpu").eval()


def reply(model: Any, tok: Tokenizer, messages: list[dict[str, str]], max_new_tokens: int = 256) -> str:
    """A greedy answer."""
    import torch

    ids = torch.tensor([prompt_ids(tok, messages)], device=model.device)
    with torch.no_grad():
        made = model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=max_new_tokens, do_sample=False,
            eos_token_id=tok.ends, pad_token_id=tok.id("pad_token"),
        )  # fmt: skip
    answer = [token for token in made[0, ids.shape[1] :].tolist() if token not in tok.ends]
    return tok.decode(answer).strip()
