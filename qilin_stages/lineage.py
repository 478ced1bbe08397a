"""run.json: what a run is made of, sealed against edits, and what the next stage and the evaluation refuse.

RUN/run.json        this file            RUN/model/     merged or fully trained weights, tokenizer, template
    README.md       the model card           adapter/   the adapter as trained (where there is one)
    metrics.jsonl   one line per log         checkpoints/checkpoint-N/COMPLETE.json
"""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from chimed.errors import DataError, UsageError
from qilin_stages.data.template import Tokenizer, read_tokenizer
from qilin_stages.model.base import folder_of

FILE = "run.json"
_PINS = "qilin-chimed torch transformers trl peft accelerate datasets tokenizers deepspeed safetensors numpy".split()


@dataclass(frozen=True)
class Model:
    """A model to start from or to measure: its weights, an adapter beside its base, and the run it came from."""

    named: str
    base: Path
    adapter: Path | None = None
    run: dict[str, Any] | None = None

    @property
    def tokenizer(self) -> Path:
        """The folder that holds tokenizer and template."""
        return self.adapter if self.adapter is not None else self.base


def sha256_of(path: Path) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weights_of(folder: Path) -> dict[str, str]:
    """SHA-256 of every safetensors file of a folder."""
    return {path.name: sha256_of(path) for path in sorted(folder.glob("*.safetensors"))}


def versions() -> dict[str, str]:
    """The packages that decide a run's numbers, and Python."""
    found = {"python": platform.python_version()}
    for name in _PINS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _seal(run: dict[str, Any]) -> str:
    facts = {key: value for key, value in run.items() if key != "seal"}
    return hashlib.sha256(json.dumps(facts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def write(folder: Path, run: dict[str, Any]) -> None:
    """Write run.json with its seal, atomically."""
    part = folder / f"{FILE}.part"
    part.write_text(json.dumps({**run, "seal": _seal(run)}, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    part.replace(folder / FILE)


def read(folder: Path) -> dict[str, Any]:
    """A run's facts. Raises DataError where run.json is missing, damaged or edited."""
    path = folder / FILE
    if not path.is_file():
        raise DataError(f"{folder}: no {FILE}; this is no run.")
    try:
        run: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not JSON: {error}.") from None
    if not isinstance(run, dict) or run.get("seal") != _seal(run):
        raise DataError(f"{path}: edited after the run wrote it, so nothing in it can be trusted. Restore it, or train "
                        "again.")  # fmt: skip
    return run


def resolve(named: str) -> Model:
    """A model folder, a Hub id with revision, or a run, with its run's facts checked against the weights on disk.

    Raises DataError for an unfinished or edited run, and where weights, tokenizer or template are not the run's.
    """
    path = Path(named)
    if not (path / FILE).is_file():
        return Model(named, folder_of(named))
    run = read(path)
    if run["status"] != "done":
        raise DataError(f"{named}: the run is {run['status']} (step {run['step']} of {run['max_steps']}). Finish it "
                        "with --resume first.")  # fmt: skip
    model = _of_run(named, path, run)
    check(model)
    return model


def _of_run(named: str, path: Path, run: dict[str, Any]) -> Model:
    if (path / "model" / "config.json").is_file():
        return Model(named, folder_of(str(path / "model")), None, run)
    base = Path(run["base"])
    if not base.is_absolute():
        base = path / base
    return Model(named, folder_of(str(base)), path / "adapter", run)


def check(model: Model) -> None:
    """Refuse a run whose weights, tokenizer or chat template on disk are not those that it recorded."""
    run = model.run or {}
    folder = model.adapter or model.base
    if run and weights_of(folder) != run["model"]:
        raise DataError(f"{model.named}: the weights are not those that the run wrote (SHA-256 differs). Restore "
                        "them or train again.")  # fmt: skip
    tok = read_tokenizer(model.tokenizer)
    if run and tok.sha256 != run["tokenizer_sha256"]:
        raise DataError(f"{model.named}: the tokenizer is not the run's (SHA-256 differs). Restore tokenizer.json.")
    if run and run["chat_template"]["sha256"] and tok.template_sha256 != run["chat_template"]["sha256"]:
        raise DataError(f"{model.named}: the chat template is not the one the run trained with. Restore "
                        "chat_template.jinja.")  # fmt: skip


def check_template(parent: Model, tok: Tokenizer) -> None:
    """Refuse another template than the parent run was tuned with, unless it is named on purpose (template=FILE)."""
    before = ((parent.run or {}).get("chat_template") or {}).get("sha256")
    tuned = (parent.run or {}).get("stage") not in {None, "cpt"}
    if tuned and before and before != tok.template_sha256 and tok.template_name == "the model's own":
        raise UsageError(f"{parent.named} was tuned with another chat template. Name the one you want: template=FILE.")


def of_model(model: Model) -> dict[str, Any]:
    """A parent as it stands in the child's run.json."""
    run = model.run or {}
    return {"named": Path(model.named).name, "stage": run.get("stage"), "seal": run.get("seal"),
            "model": weights_of(model.adapter or model.base)}  # fmt: skip
