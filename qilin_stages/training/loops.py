"""The training loops: packed rows without padding or cross-document attention, and preference pairs in one row.

Both score only the positions whose next token is learnt (`logits_to_keep`), which is most of their speed on small
models and most of their memory on large ones.
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from typing import Any

import torch
from torch.nn.functional import cross_entropy, logsigmoid
from transformers import Trainer

from chimed.errors import DataError
from qilin_stages.data.cuts import IGNORED

Batch = dict[str, Any]


def layout(lengths: list[int]) -> Batch:
    """Positions that restart with every document, and the cumulative lengths by which attention keeps them apart."""
    edges = torch.tensor([0, *lengths]).cumsum(0).to(torch.int32)
    longest = max(lengths)
    return {
        "position_ids": torch.cat([torch.arange(n) for n in lengths])[None],
        "cu_seq_lens_q": edges, "cu_seq_lens_k": edges, "max_length_q": longest, "max_length_k": longest,
    }  # fmt: skip


def packed_batch(rows: list[Batch]) -> Batch:
    """Packed rows as one flat row."""
    ids = [token for row in rows for token in row["input_ids"]]
    labels = [label for row in rows for label in row["labels"]]
    return {
        "input_ids": torch.tensor([ids]), "labels": torch.tensor([labels]),
        **layout([n for row in rows for n in row["lengths"]]),
        "ids": [name for row in rows for name in row["ids"]],
    }  # fmt: skip


class Padded:
    """Rows padded on the right with a mask: for models that cannot be packed (a prefix is a cache)."""

    def __init__(self, pad: int) -> None:
        self.pad = pad

    def __call__(self, rows: list[Batch]) -> Batch:
        """A padded batch."""
        width = max(len(row["input_ids"]) for row in rows)
        ids = [[*row["input_ids"], *[self.pad] * (width - len(row["input_ids"]))] for row in rows]
        pads = [width - len(row["input_ids"]) for row in rows]
        return {
            "input_ids": torch.tensor(ids),
            "labels": torch.tensor([[*row["labels"], *[IGNORED] * n] for row, n in zip(rows, pads, strict=True)]),
            "attention_mask": torch.tensor([[1] * (width - n) + [0] * n for n in pads]),
            "ids": [name for row in rows for name in row["ids"]],
        }  # fmt: skip


def can_keep(model: Any) -> bool:
    """Whether a model can score chosen positions only."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return "logits_to_keep" in inspect.signature(inner.forward).parameters


class Watched(Trainer):
    """A trainer that stops on a loss that is no number, naming the rows, and logs means of what its loss measured."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.measured: dict[str, list[float]] = defaultdict(list)
        self.tokens = 0

    def watch(self, loss: Any, ids: list[str]) -> None:
        """Stop on NaN or infinity, with the ids of the batch."""
        if not torch.isfinite(loss.detach()):
            named = ", ".join(ids[:8]) + (f" and {len(ids) - 8} more" if len(ids) > 8 else "")
            raise DataError(f"step {self.state.global_step + 1}: the loss is {float(loss.detach())}. Rows: {named}. "
                            "Look at them, or lower train.learning_rate.")  # fmt: skip

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log, with the means of what the loss measured since the last log."""
        for name in sorted(self.measured):
            values = torch.tensor(self.measured[name], device=self.args.device).mean()
            logs[name] = float(self.accelerator.gather(values).mean())
        self.measured.clear()
        super().log(logs, start_time)


class PackedTrainer(Watched):
    """Next-token loss (paper, equations 1 and 2): the mean over all learnt tokens of the accumulated batch."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.model_accepts_loss_kwargs = True
        self.keeps = can_keep(self.model)

    def compute_loss(self, model: Any, inputs: Batch, return_outputs: bool = False, num_items_in_batch: Any = None
                     ) -> Any:  # fmt: skip
        """Summed cross-entropy of the learnt positions over their count in the whole (cross-device) batch."""
        names, labels = inputs.pop("ids"), inputs.pop("labels")
        learnt = labels[:, 1:] != IGNORED
        if labels.shape[0] == 1 and "cu_seq_lens_q" in inputs and self.keeps:
            places = learnt[0].nonzero()[:, 0]
            scores = model(**inputs, use_cache=False, logits_to_keep=places).logits[0]
            targets = labels[0, places + 1]
        else:
            scores = model(**inputs, use_cache=False).logits[:, :-1][learnt]
            targets = labels[:, 1:][learnt]
        count = num_items_in_batch if num_items_in_batch is not None else max(int(learnt.sum()), 1)
        loss = cross_entropy(scores.float(), targets, reduction="sum") / count
        if num_items_in_batch is not None and self.args.average_tokens_across_devices:
            loss = loss * self.accelerator.num_processes
        self.watch(loss, names)
        if self.model.training:
            self.tokens += int(inputs["input_ids"].numel())
        return (loss, {"loss": loss.detach()}) if return_outputs else loss


def pair_batch(rows: list[Batch]) -> Batch:
    """Preference pairs as one flat row: all better replies behind their prompts, then all worse ones."""
    sides = [row["prompt"] + row[side] for side in ("chosen", "rejected") for row in rows]
    prompts = [len(row["prompt"]) for row in rows] * 2
    starts = torch.tensor([0, *map(len, sides)]).cumsum(0).tolist()
    places = [
        torch.arange(start + cut - 1, stop - 1) for start, stop, cut in zip(starts, starts[1:], prompts, strict=False)
    ]
    batch = {
        "input_ids": torch.tensor([[token for side in sides for token in side]]), **layout([len(s) for s in sides]),
        "places": torch.cat(places), "owner": torch.cat([torch.full_like(p, i) for i, p in enumerate(places)]),
        "ids": [row["id"] for row in rows],
    }  # fmt: skip
    if "reference" in rows[0]:
        batch["reference"] = torch.tensor([row["reference"][side] for side in (0, 1) for row in rows])
    return batch


def sequence_log_probabilities(model: Any, inputs: Batch, keeps: bool) -> Any:
    """Summed log-probability of every reply in a flat row."""
    places, owner = inputs["places"], inputs["owner"]
    passed = {k: v for k, v in inputs.items() if k not in {"places", "owner", "ids", "reference"}}
    if keeps:
        logits = model(**passed, use_cache=False, logits_to_keep=places).logits[0]
    else:
        logits = model(**passed, use_cache=False).logits[0][places]
    each = -cross_entropy(logits.float(), inputs["input_ids"][0, places + 1], reduction="none")
    return torch.zeros(int(owner[-1]) + 1, device=each.device).index_add(0, owner, each)


class PairTrainer(Watched):
    """DPO (paper, equations 3 and 4): -log sigmoid of beta times the gain over the reference; log Z cancels.

    The reference is the model with its adapter off, or log-probabilities computed before the first step; there is
    never a second model in memory.
    """

    def __init__(self, *args: Any, beta: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.beta, self.keeps = beta, can_keep(self.model)
        self.model_accepts_loss_kwargs = False

    def reference(self, model: Any, inputs: Batch) -> Any:
        """Log-probabilities of the replies under the reference."""
        if "reference" in inputs:
            return inputs["reference"]
        inner = self.accelerator.unwrap_model(model)
        was_training = inner.training
        inner.eval()
        with torch.no_grad(), inner.disable_adapter():
            result = sequence_log_probabilities(model, inputs, self.keeps)
        inner.train(was_training)
        return result

    def compute_loss(self, model: Any, inputs: Batch, return_outputs: bool = False, num_items_in_batch: Any = None
                     ) -> Any:  # fmt: skip
        """The mean of the pairs' losses; accuracies and margins of the implicit rewards go to the log."""
        training = self.model.training
        reference = self.reference(model, inputs)
        gains = sequence_log_probabilities(model, inputs, self.keeps) - reference
        better, worse = (self.beta * gains).chunk(2)
        loss = -logsigmoid(better - worse).mean()
        self.watch(loss, inputs["ids"])
        prefix = "" if training else "eval_"
        for name, value in (("accuracy", better > worse), ("margin", better - worse), ("reward_chosen", better),
                            ("reward_rejected", worse)):  # fmt: skip
            self.measured[f"{prefix}{name}"].append(float(value.detach().float().mean()))
        if training:
            self.tokens += int(inputs["input_ids"].numel())
        return (loss, {"loss": loss.detach()}) if return_outputs else loss

    def prediction_step(self, model: Any, inputs: Batch, prediction_loss_only: bool, ignore_keys: Any = None) -> Any:
        """The loss of held-out pairs."""
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad():
            return self.compute_loss(model, inputs).detach(), None, None
