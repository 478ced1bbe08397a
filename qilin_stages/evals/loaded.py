"""A model in memory with its tokenizer: how text is encoded for it and how long it may be."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from qilin_stages.evals.task import Request

BATCH = 16


@dataclass
class LoadedModel:
    """A loaded transformers model with its tokenizer; `identity` changes when weights or tokenizer do."""

    name: str
    identity: str
    model: Any
    tokenizer: Any

    @cached_property
    def seq2seq(self) -> bool:
        """Encoder-decoder (T5)."""
        return bool(self.model.config.is_encoder_decoder)

    @cached_property
    def cacheable(self) -> bool:
        """Whether a prefix's keys and values can be reused; learnt prefixes (P-tuning) occupy the cache themselves."""
        adapter = getattr(self.model, "active_peft_config", None)
        return not self.seq2seq and not getattr(adapter, "is_prompt_learning", False)

    @cached_property
    def room(self) -> int | None:
        """Positions of the model less those of a learnt prefix; None where it has no limit (T5)."""
        config = self.model.config
        size = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
        adapter = getattr(self.model, "active_peft_config", None)
        return None if self.seq2seq or not size else int(size) - int(getattr(adapter, "num_virtual_tokens", 0) or 0)

    @cached_property
    def ends(self) -> list[int]:
        """The tokens that end an answer: the tokenizer's, the model's own, and the one after an answer in the template."""
        own = self.model.generation_config.eos_token_id
        found = {self.tokenizer.eos_token_id, *(own if isinstance(own, list) else [own])} - {None}
        if getattr(self.tokenizer, "chat_template", None):
            turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "\ue000"}]
            after = self.tokenizer.apply_chat_template(turns, tokenize=False).rpartition("\ue000")[2]
            ids = self.tokenizer(after, add_special_tokens=False)["input_ids"]
            special = {token for token, added in self.tokenizer.added_tokens_decoder.items() if added.special}
            found.update([token for token in ids if token in special][:1])
        return sorted(found)

    def rendered(self, request: Request) -> tuple[str, bool]:
        """The text that is fed, and whether it is a chat template's (which brings its own special tokens)."""
        if request.messages and getattr(self.tokenizer, "chat_template", None):
            turns = [{"role": role, "content": content} for role, content in request.messages]
            return self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True), True
        return request.prompt, False

    def encode(self, text: str, templated: bool) -> list[int]:
        """Token ids; an end token that the tokenizer appends is taken off a causal model's prompt."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=not templated)["input_ids"]
        if not self.seq2seq and len(ids) > 1 and ids[-1] == self.tokenizer.eos_token_id and not templated:
            ids = ids[:-1]
        return ids

    def fitted(self, ids: list[int], more: int) -> tuple[list[int], str]:
        """The ids cut on the left so that `more` new tokens fit, and the note `truncated` if so."""
        if self.room is None or len(ids) + more <= self.room:
            return ids, ""
        return ids[-max(1, self.room - more) :], "truncated"
