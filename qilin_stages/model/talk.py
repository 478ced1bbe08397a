"""Answers from a model by its own chat template, the prompt built as it was in training."""

from __future__ import annotations

import inspect
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


def cache_argument(model: Any) -> str:
    """How this transformers calls a cache of keys and values; the older name warns since 5.23 and will go."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return "cache" if "cache" in inspect.signature(inner.forward).parameters else "past_key_values"


def continued(model: Any, rows: Any, mask: Any, **how: Any) -> Any:
    """The new tokens after (left-padded) rows, by `generate` with the settings `how`.

    A learnt prefix is put into the cache here: transformers 5.23 hands its own cache beside peft's, and the prefix would
    be left out of every generation without a word.
    """
    import torch

    prefix: Any = getattr(model, "active_peft_config", None)
    learnt = getattr(prefix, "is_prompt_learning", False)
    if model.config.is_encoder_decoder:
        if learnt:
            return _without_cache(model, rows, mask, how)
        return model.generate(input_ids=rows, attention_mask=mask, **how)
    if not learnt:
        return model.generate(input_ids=rows, attention_mask=mask, **how)[:, rows.shape[1] :]
    places = torch.full((len(rows), prefix.num_virtual_tokens), how["pad_token_id"], device=rows.device)
    rows, mask = torch.cat([places, rows], 1), torch.cat([torch.ones_like(places), mask], 1)
    filled = {cache_argument(model): model.get_prompt(len(rows))}
    made = model.get_base_model().generate(input_ids=rows, attention_mask=mask, **filled, **how)
    return made[:, rows.shape[1] :]


def _without_cache(model: Any, rows: Any, mask: Any, how: dict[str, Any]) -> Any:
    """A greedy continuation by an encoder-decoder with a prefix, one whole pass a token."""
    import torch

    ends = torch.as_tensor(how["eos_token_id"], device=rows.device)
    made = torch.full((len(rows), 1), model.config.decoder_start_token_id, device=rows.device)
    done = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
    while made.shape[1] <= how["max_new_tokens"] and not bool(done.all()):
        token = model(input_ids=rows, attention_mask=mask, decoder_input_ids=made).logits[:, -1].argmax(-1)
        made = torch.cat([made, token.where(~done, how["pad_token_id"])[:, None]], 1)
        done |= torch.isin(token, ends)
    return made


def reply(model: Any, tok: Tokenizer, messages: list[dict[str, str]], max_new_tokens: int = 256) -> str:
    """A greedy answer."""
    import torch

    ids = torch.tensor([prompt_ids(tok, messages)], device=model.device)
    with torch.no_grad():
        made = continued(
            model, ids, torch.ones_like(ids), max_new_tokens=max_new_tokens, do_sample=False, eos_token_id=tok.ends,
            pad_token_id=tok.id("pad_token"),
        )  # fmt: skip
    answer = [token for token in made[0].tolist() if token not in tok.ends]
    return tok.decode(answer).strip()
