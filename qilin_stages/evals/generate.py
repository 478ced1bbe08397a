"""Greedy generation in batches of similar length."""

from __future__ import annotations

from collections.abc import Sequence

from qilin_stages.evals.loaded import BATCH, LoadedModel
from qilin_stages.evals.task import Answer, Request
from qilin_stages.model.talk import continued


def greedy(local: LoadedModel, requests: Sequence[Request]) -> list[Answer]:
    """One greedy continuation per request, cut at the first stop text; batches by length and allowed new tokens."""
    encoded = []
    for request in requests:
        ids, note = local.fitted(local.encode(*local.rendered(request)), request.max_new_tokens)
        encoded.append((ids or [local.tokenizer.pad_token_id], note))
    order = sorted(range(len(requests)), key=lambda i: (requests[i].max_new_tokens, len(encoded[i][0]), i))
    texts: dict[int, str] = {}
    size = BATCH if local.cacheable or local.seq2seq else 1  # a learnt prefix takes no padding before the text
    for start in range(0, len(order), size):
        batch = order[start : start + size]
        new = max((requests[i].max_new_tokens for i in batch), default=0)
        for i, text in zip(batch, _continue(local, [encoded[i][0] for i in batch], new), strict=True):
            texts[i] = cut(text, requests[i].stop)
    return [Answer(r.id, texts[i], note=encoded[i][1]) for i, r in enumerate(requests)]


def cut(text: str, stop: Sequence[str]) -> str:
    """The text before the first stop text that occurs in it."""
    ends = [at for s in stop if (at := text.find(s)) >= 0]
    return text[: min(ends)] if ends else text


def _continue(local: LoadedModel, batch: list[list[int]], new: int) -> list[str]:
    import torch

    pad = local.tokenizer.pad_token_id
    width = max(map(len, batch))
    gaps = [width - len(ids) for ids in batch]
    left = not local.seq2seq
    rows = [[pad] * g + ids if left else ids + [pad] * g for g, ids in zip(gaps, batch, strict=True)]
    mask = [[0] * g + [1] * len(i) if left else [1] * len(i) + [0] * g for g, i in zip(gaps, batch, strict=True)]
    device = local.model.device
    with torch.inference_mode():
        tail = continued(
            local.model, torch.tensor(rows, device=device), torch.tensor(mask, device=device), max_new_tokens=new,
            do_sample=False, num_beams=1, pad_token_id=pad, eos_token_id=local.ends,
        )  # fmt: skip
    return [str(t) for t in local.tokenizer.batch_decode(tail, skip_special_tokens=True)]


def loops(text: str) -> bool:
    """Whether the text ends in at least five repeats of a piece of at most 30 characters."""
    tail = text.rstrip()
    return any(len(tail) >= 5 * n and tail.endswith(tail[-n:] * 5) for n in range(1, 31))
