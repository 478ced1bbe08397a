"""The losses are the paper's equations, restated in plain torch one document at a time; packing keeps them apart."""

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import log_softmax, logsigmoid
from transformers import TrainingArguments

from chimed.errors import DataError
from qilin_stages.model.adapters import add
from qilin_stages.model.attention import register
from qilin_stages.model.base import load
from qilin_stages.recipe import Adapter
from qilin_stages.training.loops import PackedTrainer, Padded, PairTrainer, packed_batch, pair_batch

LORA = Adapter(kind="lora", r=4, dropout=0.0)


def arguments(folder: Path) -> TrainingArguments:
    return TrainingArguments(output_dir=str(folder), use_cpu=True, report_to=[], remove_unused_columns=False)


def documents(rng: random.Random, vocabulary: int, count: int) -> list[list[int]]:
    return [[rng.randrange(vocabulary) for _ in range(rng.randint(2, 40))] for _ in range(count)]


def masked(rng: random.Random, ids: list[int]) -> list[int]:
    labels = [token if rng.random() < 0.5 else -100 for token in ids]
    return [-100, *labels[1:-1], ids[-1]]


def alone(model: Any, ids: list[int]) -> torch.Tensor:
    """Log-probabilities (T-1, vocabulary) of a document by itself."""
    with torch.no_grad():
        return log_softmax(model(input_ids=torch.tensor([ids])).logits[0, :-1].float(), dim=-1)


def equation(model: Any, rows: list[tuple[list[int], list[int]]]) -> tuple[float, int]:
    """Minus the sum over learnt t of log p(x_t | x_<t), and how many they are."""
    total, count = 0.0, 0
    for ids, labels in rows:
        scores = alone(model, ids)
        for t in range(1, len(ids)):
            if labels[t] != -100:
                total, count = total - float(scores[t - 1, labels[t]]), count + 1
    return total, count


def pack(rows: list[tuple[list[int], list[int]]]) -> dict[str, Any]:
    return {"input_ids": [t for ids, _ in rows for t in ids], "labels": [t for _, labels in rows for t in labels],
            "lengths": [len(ids) for ids, _ in rows], "ids": [str(i) for i in range(len(rows))]}  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("learnt", ["all", "masked"], ids=["equation 1: cpt", "equation 2: sft"])
def test_packed_loss_is_the_equation(tiny: Path, tmp_path: Path, seed: int, learnt: str) -> None:
    rng = random.Random(seed)
    plain = load(tiny)
    docs = documents(rng, plain.config.vocab_size, 7)
    rows = [(ids, [-100, *ids[1:]] if learnt == "all" else masked(rng, ids)) for ids in docs]
    total, count = equation(plain, rows)
    trainer = PackedTrainer(load(tiny, attention=register()), arguments(tmp_path))
    batch = packed_batch([pack(rows[:4]), pack(rows[4:])])
    loss = trainer.compute_loss(trainer.model, batch, num_items_in_batch=torch.tensor(count))
    assert float(loss.detach()) == pytest.approx(total / count, abs=1e-5)


def test_padded_loss_is_the_equation_too(tiny: Path, tmp_path: Path) -> None:
    rng = random.Random(5)
    plain = load(tiny)
    rows = [(ids, masked(rng, ids)) for ids in documents(rng, plain.config.vocab_size, 4)]
    total, count = equation(plain, rows)
    trainer = PackedTrainer(load(tiny), arguments(tmp_path))
    loss = trainer.compute_loss(trainer.model, Padded(1)([pack([row]) for row in rows]))
    assert float(loss.detach()) == pytest.approx(total / count, abs=1e-5)


def pairs(rng: random.Random, vocabulary: int, count: int) -> list[dict[str, Any]]:
    return [dict(zip(("prompt", "chosen", "rejected"), documents(rng, vocabulary, 3), strict=True), id=str(i))
            for i in range(count)]  # fmt: skip


def reply_score(model: Any, row: dict[str, Any], side: str) -> float:
    ids = row["prompt"] + row[side]
    scores = alone(model, ids)
    start = len(row["prompt"])
    return sum(float(scores[t - 1, ids[t]]) for t in range(start, len(ids)))


def adapted(tiny: Path, seed: int) -> Any:
    """A policy whose adapter is not zero."""
    torch.manual_seed(seed)
    model = add(load(tiny, attention=register()), LORA)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.2)
    return model


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("beta", [0.1, 0.5])
def test_dpo_loss_is_equations_3_and_4(tiny: Path, tmp_path: Path, seed: int, beta: float) -> None:
    policy, reference = adapted(tiny, seed), load(tiny)
    rows = pairs(random.Random(seed), reference.config.vocab_size, 5)
    trainer = PairTrainer(policy, arguments(tmp_path), beta=beta)
    loss = trainer.compute_loss(policy, pair_batch(rows))
    policy.set_adapter("default")
    separate = _with_weights_of(policy, tiny)
    expected = 0.0
    for row in rows:
        gain = {side: reply_score(separate, row, side) - reply_score(reference, row, side)
                for side in ("chosen", "rejected")}  # fmt: skip
        expected -= float(logsigmoid(torch.tensor(beta * (gain["chosen"] - gain["rejected"]))))
    assert float(loss.detach()) == pytest.approx(expected / len(rows), abs=1e-5)
    assert trainer.measured["accuracy"]


def _with_weights_of(policy: Any, tiny: Path) -> Any:
    """The policy as a plain model: W + alpha/r B A, worked out here."""
    model = load(tiny)
    adapters = dict(policy.named_modules())
    with torch.no_grad():
        for name, module in model.named_modules():
            lora = adapters.get(f"base_model.model.{name}")
            if lora is not None and hasattr(lora, "lora_A"):
                module.weight += LORA.alpha / LORA.r * lora.lora_B["default"].weight @ lora.lora_A["default"].weight
    return model


def test_precomputed_reference_gives_the_same_loss(tiny: Path, tmp_path: Path) -> None:
    from qilin_stages.training.reference import compute

    policy = adapted(tiny, 1)
    rows = pairs(random.Random(1), policy.config.vocab_size, 5)
    trainer = PairTrainer(policy, arguments(tmp_path), beta=0.1)
    values = compute(load(tiny, attention=register()), rows, 2)
    with_values = [{**row, "reference": values[i].tolist()} for i, row in enumerate(rows)]
    live = trainer.compute_loss(policy, pair_batch(rows))
    stored = trainer.compute_loss(policy, pair_batch(with_values))
    assert float(stored.detach()) == pytest.approx(float(live.detach()), abs=1e-5)


def test_a_stored_reference_belongs_to_its_precision(tiny: Path, tmp_path: Path) -> None:
    from types import SimpleNamespace

    from datasets import Dataset

    from qilin_stages import lineage
    from qilin_stages.training.reference import with_reference

    model = load(tiny, attention=register())
    rows = Dataset.from_list(pairs(random.Random(4), model.config.vocab_size, 3))
    ctx = SimpleNamespace(record={"data": {"prepared": str(tmp_path)}}, parent=lineage.Model("tiny", tiny))
    cfg = SimpleNamespace(train=SimpleNamespace(per_device_train_batch_size=2))
    whole = with_reference(ctx, model, rows, cfg)["reference"]
    assert with_reference(ctx, model, rows, cfg)["reference"] == whole
    assert with_reference(ctx, model.bfloat16(), rows, cfg)["reference"] != whole


def test_a_document_does_not_see_its_neighbours(tiny: Path) -> None:
    model = load(tiny, attention=register())
    first, second, other = documents(random.Random(3), model.config.vocab_size, 3)

    def logits(docs: list[list[int]]) -> torch.Tensor:
        batch = packed_batch([pack([(ids, ids) for ids in docs])])
        batch.pop("ids")
        batch.pop("labels")
        with torch.no_grad():
            return model(**batch, use_cache=False).logits[0]

    after_first, after_other = logits([first, second])[len(first) :], logits([other, second])[len(other) :]
    assert torch.allclose(after_first, after_other, atol=1e-6)
    with torch.no_grad():
        by_itself = load(tiny)(input_ids=torch.tensor([second])).logits[0]
    assert torch.allclose(after_first, by_itself, atol=1e-5)


def test_segment_attention_refuses_a_mask_and_missing_lengths(tiny: Path) -> None:
    model = load(tiny, attention=register())
    ids = torch.tensor([[5, 6, 7]])
    with pytest.raises(ValueError, match="document lengths"):
        model(input_ids=ids)
    with pytest.raises(ValueError, match="padding mask"):
        model(input_ids=ids, attention_mask=torch.tensor([[0, 1, 1]]))


def test_a_loss_that_is_no_number_stops_and_names_the_rows(tiny: Path, tmp_path: Path) -> None:
    model = load(tiny, attention=register())
    with torch.no_grad():
        model.model.norm.weight.fill_(float("nan"))
    trainer = PackedTrainer(model, arguments(tmp_path))
    row = pack([([5, 6, 7], [-100, 6, 7])]) | {"ids": ["cmd:0000ab"]}
    with pytest.raises(DataError, match="cmd:0000ab"):
        trainer.compute_loss(model, packed_batch([row]))
