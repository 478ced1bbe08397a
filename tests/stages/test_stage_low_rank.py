"""LoRA's fused layer is peft's layer: same values, same gradients, and dropout that is what dropout has to be."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from qilin_stages.model.adapters import add
from qilin_stages.model.base import load
from qilin_stages.model.low_rank import CPULinear, LowRank, dropped
from qilin_stages.recipe import Adapter


def pair(tiny: Path, dropout: float = 0.0) -> tuple[Any, Any]:
    """The tiny model with our layer and with peft's own, same adapter weights (none of them zero), in training."""
    fused = add(load(tiny), Adapter(kind="lora", r=4, alpha=8, dropout=dropout))
    config = LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, lora_dropout=dropout, target_modules="all-linear")
    plain = get_peft_model(load(tiny), config)
    torch.manual_seed(3)
    for name, weight in fused.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=0.2)
            plain.get_parameter(name).data.copy_(weight.data)
    return fused.train(), plain.train()


def test_values_and_gradients_are_those_of_peft(tiny: Path) -> None:
    fused, plain = pair(tiny)
    assert sum(isinstance(module, CPULinear) for module in fused.modules()) == 14
    ids = torch.randint(0, fused.config.vocab_size, (2, 17), generator=torch.Generator().manual_seed(0))
    for model in (fused, plain):
        model(input_ids=ids, labels=ids).loss.backward()
    assert torch.allclose(fused(input_ids=ids).logits, plain(input_ids=ids).logits, atol=1e-5)
    for name, weight in fused.named_parameters():
        other = plain.get_parameter(name).grad
        assert (weight.grad is None) == (other is None), name
        if other is not None:
            assert torch.allclose(weight.grad, other, atol=1e-6, rtol=1e-4), name


@pytest.mark.parametrize("bias", [False, True])
def test_gradients_with_dropout_are_those_of_the_written_out_formula(bias: bool) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(3, 5, 6, dtype=torch.float64), torch.randn(4, 6, dtype=torch.float64)
    a, b = torch.randn(2, 6, dtype=torch.float64), torch.randn(4, 2, dtype=torch.float64)
    shift = torch.randn(4, dtype=torch.float64) if bias else None
    places = dropped(x.numel(), 0.3)
    mask = torch.ones_like(x)
    mask.view(-1)[places] = 0
    x, a, b = (value.requires_grad_() for value in (x, a, b))
    expected = torch.nn.functional.linear(x, weight, shift) + (x * mask) @ a.t() @ b.t() * 1.7
    assert torch.allclose(LowRank.apply(x, weight, shift, a, b, places, 1.7), expected)
    assert torch.autograd.gradcheck(lambda *v: LowRank.apply(v[0], weight, shift, v[1], v[2], places, 1.7), (x, a, b))


@pytest.mark.parametrize("share", [0.01, 0.05, 0.5, 0.95])
def test_dropout_drops_each_value_independently_with_the_given_probability(share: float) -> None:
    torch.manual_seed(1)
    count, rounds = 2000, 400
    hits = torch.zeros(rounds, count)
    for row in hits:
        places = dropped(count, share)
        assert (places.diff() > 0).all() and (places >= 0).all() and (places < count).all()
        row[places] = 1
    sigma = (share * (1 - share)) ** 0.5
    assert abs(float(hits.mean()) - share) < 5 * sigma / (rounds * count) ** 0.5
    for part in (hits[:, 0], hits[:, -1], hits[:, count // 2]):
        assert abs(float(part.mean()) - share) < 5 * sigma / rounds**0.5
    together = float((hits[:, 1:] * hits[:, :-1]).mean())
    assert abs(together - share**2) < 0.05 * share + 5 * share / (rounds * count) ** 0.5


def test_dropout_repeats_with_the_generator_and_of_nothing_drops_nothing() -> None:
    torch.manual_seed(7)
    first = dropped(10_000, 0.05)
    torch.manual_seed(7)
    assert torch.equal(first, dropped(10_000, 0.05))
    assert dropped(0, 0.05).numel() == 0


def test_dropout_works_in_training_and_rests_in_evaluation(tiny: Path) -> None:
    fused, plain = pair(tiny, dropout=0.4)
    ids = torch.arange(3, 20)[None]
    one, two = fused(input_ids=ids).logits, fused(input_ids=ids).logits
    assert not torch.equal(one, two)
    assert torch.allclose(fused.eval()(input_ids=ids).logits, plain.eval()(input_ids=ids).logits, atol=1e-5)


def test_a_switched_off_adapter_is_the_base(tiny: Path) -> None:
    fused, _ = pair(tiny)
    ids = torch.arange(3, 20)[None]
    with fused.disable_adapter():
        off = fused(input_ids=ids).logits
    assert torch.equal(off, load(tiny)(input_ids=ids).logits)
    assert not torch.allclose(off, fused(input_ids=ids).logits, atol=1e-3)
