"""Causal attention over packed documents: one scaled-dot-product call per document, no mask over the whole row.

Registered with transformers' AttentionInterface as `segments`. It needs the cumulative lengths of the documents with
every forward pass and refuses what it cannot do right: a padding mask, a key-value cache, a prefix.
"""

from __future__ import annotations

from typing import Any

NAME = "segments"


def register() -> str:
    """Make the attention known to transformers (once); returns the name to load a model with."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface

    AttentionInterface.register(NAME, segment_attention)
    AttentionMaskInterface.register(NAME, _no_mask)
    return NAME


def _no_mask(*_: Any, attention_mask: Any = None, **__: Any) -> None:
    if attention_mask is not None and not bool(attention_mask.all()):
        raise ValueError("attention over packed documents takes no padding mask")


def segment_attention(module: Any, query: Any, key: Any, value: Any, attention_mask: Any = None, *,
                      dropout: float = 0.0, scaling: float | None = None, cu_seq_lens_q: Any = None,
                      **_: Any) -> tuple[Any, None]:  # fmt: skip
    """Attention of each document to itself alone; shapes as in transformers (batch 1, heads, tokens, size)."""
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    if cu_seq_lens_q is None or attention_mask is not None or query.shape[2] != key.shape[2]:
        raise ValueError("attention over packed documents needs document lengths, and neither mask, cache nor prefix")
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    edges = cu_seq_lens_q.tolist()
    sizes = [stop - start for start, stop in zip(edges, edges[1:], strict=False)]
    parts = [
        scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True, scale=scaling)
        for q, k, v in zip(query.split(sizes, 2), key.split(sizes, 2), value.split(sizes, 2), strict=True)
    ]
    return torch.cat(parts, 2).transpose(1, 2).contiguous(), None
