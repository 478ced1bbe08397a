"""Log-probabilities of the option letters right after a prompt, with the prefix of a group computed once.

Every full prompt is encoded and the longest common token prefix taken, which is exact for any tokenizer; one forward
pass of it fills a cache that each batch copies. Batches are sorted by length and padded on the left of the remainder,
so that only the last position's logits are computed. Where the tokenizer merges the letter with the prompt's last
character, a letter is scored as the joint probability of the tokens in which the four texts differ (note `joint`).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import groupby
from os.path import commonprefix
from typing import Any

from qilin_stages.evals.loaded import BATCH, LoadedModel
from qilin_stages.evals.task import Answer, Request
from qilin_stages.model.talk import cache_argument

LEAST_PREFIX = 8


def letter_logprobs(local: LoadedModel, requests: Sequence[Request], *, cached: bool = True) -> list[Answer]:
    """Log-probabilities by letter, in the order of the requests; requests of one group stand together."""
    answers: list[Answer] = []
    for _, same in groupby(requests, key=lambda r: (r.group, r.letters)):
        group = list(same)
        targets = boundary(local, group[0])
        if targets is None:
            answers += [_joint(local, request) for request in group]
        else:
            answers += _group(local, group, targets, cached and local.cacheable)
    return answers


def boundary(local: LoadedModel, request: Request) -> dict[str, int] | None:
    """The letters' token ids if each follows the prompt as one token of its own; None if the tokenizer merges it."""
    text, templated = local.rendered(request)
    if local.seq2seq:
        ids = {x: local.tokenizer(x, add_special_tokens=False)["input_ids"] for x in request.letters}
        return {x: i[-1] for x, i in ids.items()} if len({i[-1] for i in ids.values()}) == len(ids) else None
    prompt = local.encode(text, templated)
    found = {}
    for letter in request.letters:
        whole = local.encode(text + letter, templated)
        if whole[:-1] != prompt:
            return None
        found[letter] = whole[-1]
    return found


def _group(local: LoadedModel, group: list[Request], targets: dict[str, int], cached: bool) -> list[Answer]:
    encoded = [local.fitted(local.encode(*local.rendered(r)), 1) for r in group]
    ids = [e[0] for e in encoded]
    prefix = list(commonprefix(ids)[: min(map(len, ids)) - 1]) if cached and len(ids) > 1 else []
    if len(prefix) < LEAST_PREFIX:
        prefix = []
    cache = _fill(local, prefix) if prefix else None
    order = sorted(range(len(ids)), key=lambda i: (len(ids[i]), i))
    found: dict[int, dict[str, float]] = {}
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        logs = _last_logprobs(local, [ids[i][len(prefix) :] for i in batch], len(prefix), cache)
        for i, row in zip(batch, logs, strict=True):
            found[i] = {letter: float(row[token]) for letter, token in targets.items()}
    return [Answer(r.id, logprobs=found[i], note=encoded[i][1]) for i, r in enumerate(group)]


def _fill(local: LoadedModel, prefix: list[int]) -> Any:
    import torch

    with torch.inference_mode():
        rows = torch.tensor([prefix], device=local.model.device)
        return local.model(input_ids=rows, use_cache=True, logits_to_keep=1).past_key_values


def _last_logprobs(local: LoadedModel, batch: list[list[int]], past: int, cache: Any) -> Any:
    """Log-probabilities over the vocabulary after each row of `batch`, which follows `past` cached tokens."""
    import torch

    model, pad = local.model, local.tokenizer.pad_token_id
    if not local.cacheable and not local.seq2seq and len(batch) > 1:  # a learnt prefix takes no padding before the text
        return torch.cat([_last_logprobs(local, [ids], past, cache) for ids in batch])
    width = max(map(len, batch))
    device = model.device
    rows = torch.tensor([[pad] * (width - len(ids)) + ids for ids in batch], device=device)
    mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in batch], device=device)
    with torch.inference_mode():
        if local.seq2seq:
            start = torch.full((len(batch), 1), model.config.decoder_start_token_id, device=device)
            logits = model(input_ids=rows, attention_mask=mask, decoder_input_ids=start).logits
        elif not local.cacheable:
            logits = model(input_ids=rows, attention_mask=mask).logits
        else:
            logits = _forward(model, rows, mask, past, cache)
        return torch.log_softmax(logits[:, -1].float(), dim=-1)


def _forward(model: Any, rows: Any, mask: Any, past: int, cache: Any) -> Any:
    import torch

    more: dict[str, Any] = {}
    if cache is not None:
        own = copy.deepcopy(cache)
        own.batch_repeat_interleave(len(rows))
        more[cache_argument(model)] = own
    positions = (mask.cumsum(-1) - 1).clamp(min=0) + past
    whole = torch.cat([torch.ones((len(rows), past), dtype=mask.dtype, device=mask.device), mask], dim=1)
    return model(
        input_ids=rows,
        attention_mask=whole,
        position_ids=positions,
        use_cache=cache is not None,
        logits_to_keep=1,
        **more,
    ).logits


def _joint(local: LoadedModel, request: Request) -> Answer:
    """Each letter as the joint probability of the tokens after the part that all letters' texts share."""
    import torch

    text, templated = local.rendered(request)
    whole = {x: local.encode(text + x, templated) for x in request.letters}
    shared = len(commonprefix(list(whole.values())))
    scores = {}
    for letter, ids in whole.items():
        kept, _ = local.fitted(ids, 0)
        tail = len(ids) - max(shared, 1)
        with torch.inference_mode():
            logits = local.model(input_ids=torch.tensor([kept], device=local.model.device)).logits[0].float()
        logs = torch.log_softmax(logits, dim=-1)[-tail - 1 : -1]
        scores[letter] = float(sum(row[token] for row, token in zip(logs, kept[-tail:], strict=True))) if tail else 0.0
    return Answer(request.id, logprobs=scores, note="joint")
