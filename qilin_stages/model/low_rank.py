"""LoRA's linear layer on a CPU as one operation, where peft's own spends a third of a training step beside the products.

The same function of the same parameters (Hu et al. 2021, equation 3, with dropout before A): scaling, sum and dropout
share passes over the activations, and dropout draws the gaps between dropped values instead of a number for every one.
peft calls it by its registry of custom layers; whatever is not the plain case is left to peft's own layer.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from peft.tuners.lora.layer import Linear
from torch.autograd import Function
from torch.autograd.function import once_differentiable


def dropped(count: int, share: float) -> torch.Tensor:
    """Places, ascending, of `count` values at which independent draws of probability `share` come true.

    The gaps between such places are geometric: few draws where the share is small. They come from torch's generator,
    so that a resumed run draws what the unbroken one would have drawn.
    """
    places = torch.empty(0, dtype=torch.int64)
    mean, last = count * share, -1
    while last < count:
        draws = torch.empty(int(mean + 6 * math.sqrt(mean) + 16)).uniform_()
        gaps = draws.neg_().log1p_().div_(math.log1p(-share)).long().add_(1)
        places = torch.cat([places, gaps.cumsum(0).add_(last)])
        last = int(places[-1])
    return places[: int(torch.searchsorted(places, count))]


class LowRank(Function):
    """x W' + bias + scale * (x with zeros at `places`) A' B', with gradients of x, A and B; W and the bias are frozen."""

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, bias: Any, a: Any, b: Any, places: Any, scale: float) -> Any:
        """The layer's output."""
        flat = x.reshape(-1, x.shape[-1])
        out = flat @ weight.t() if bias is None else torch.addmm(bias, flat, weight.t())
        kept = flat if places is None else zeroed(flat.clone(memory_format=torch.contiguous_format), places)
        inner = kept @ a.t()
        ctx.save_for_backward(weight, a, b, places, kept, inner)
        ctx.scale = scale
        return out.addmm_(inner, b.t(), alpha=scale).view(*x.shape[:-1], -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> tuple[Any, ...]:
        """Gradients of x, A and B."""
        weight, a, b, places, kept, inner = ctx.saved_tensors
        gradient = gradients[0].reshape(-1, weight.shape[0])
        of_inner = (gradient @ b).mul_(ctx.scale)
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = of_inner @ a
            if places is not None:
                zeroed(of_x, places)
            of_x = of_x.addmm_(gradient, weight).view(*gradients[0].shape[:-1], -1)
        # the tall factor transposed is slower by half than the thin one
        of_b = (inner.t() @ gradient).mul_(ctx.scale).t()
        return of_x, None, None, of_inner.t() @ kept, of_b, None, None


def zeroed(values: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """The values with zeros at flat places, in place."""
    values.view(-1).index_fill_(0, places, 0.0)
    return values


class CPULinear(Linear):
    """peft's LoRA layer; one plain adapter in training on a CPU takes the fused operation."""

    def forward(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """The layer's output."""
        if args or kwargs or not self._plain(x):
            return super().forward(x, *args, **kwargs)
        name = self.active_adapters[0]
        share = float(getattr(self.lora_dropout[name], "p", 0.0))
        places = dropped(x.numel(), share) if share else None
        base, a, b = self.base_layer, self.lora_A[name].weight, self.lora_B[name].weight
        return LowRank.apply(x, base.weight, base.bias, a, b, places, self.scaling[name] / (1 - share))

    def _plain(self, x: Any) -> bool:
        """Whether this is one unmerged adapter in training over a frozen whole matrix, in one dtype, on a CPU."""
        if self.disable_adapters or self.merged or not self.training or len(self.active_adapters) != 1:
            return False
        name, base = self.active_adapters[0], self.base_layer
        if name not in self.lora_A or name in self.lora_variant or self.lora_B[name].bias is not None:
            return False
        weights = [base.weight, self.lora_A[name].weight, self.lora_B[name].weight]
        whole = all(w.dtype == x.dtype and not hasattr(w, "ds_id") for w in weights)  # ZeRO-3 leaves parts of them
        frozen = not any(p.requires_grad for p in base.parameters())
        return whole and frozen and x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
