"""Log-probabilities of the reference, computed once and cached by rows, weights and lengths."""

from __future__ import annotations

import fcntl
import hashlib
import json
from typing import Any

from qilin_stages import lineage
from qilin_stages.data.split import cache_folder


def with_reference(ctx: Any, model: Any, rows: Any, cfg: Any) -> Any:
    """The rows with a column `reference`: log-probability of the better and of the worse reply.

    Every process of a launch finds the file of the first one.
    """
    import numpy as np

    facts = [ctx.record["data"]["prepared"], rows._fingerprint, len(rows), lineage.of_model(ctx.parent)["model"],
             str(model.dtype)]  # fmt: skip
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
    path = cache_folder() / "reference" / f"{key}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_suffix(".lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.is_file():
            values = compute(model, rows, cfg.train.per_device_train_batch_size)
            np.save(path.with_suffix(".part.npy"), values)
            path.with_suffix(".part.npy").replace(path)
    return rows.add_column("reference", np.load(path).tolist())


def compute(model: Any, rows: Any, batch: int) -> Any:
    """An array (rows, 2) of summed log-probabilities under the model as it is."""
    import numpy as np
    import torch

    from chimed.console import progress
    from qilin_stages.training.loops import can_keep, pair_batch, sequence_log_probabilities

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = model.to(device).eval()
    done, keeps = [], can_keep(model)
    with torch.no_grad(), progress("reference") as report:
        for start in range(0, len(rows), batch):
            group = [rows[i] for i in range(start, min(start + batch, len(rows)))]
            inputs = {k: v.to(device) if hasattr(v, "to") else v for k, v in pair_batch(group).items()}
            done.append(sequence_log_probabilities(model, inputs, keeps).reshape(2, -1).T.float().cpu().numpy())
            report(start, len(rows))
    return np.concatenate(done)
