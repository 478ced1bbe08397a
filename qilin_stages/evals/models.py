"""Opening what stands on the command line: a model folder, a run (merged or adapter), or a server's model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from chimed.errors import DataError, UsageError
from qilin_stages.evals.task import Answer, Request

_WHOLE = 256 * 2**20
_PLACES = ("", "model", "adapter")


class Model(Protocol):
    """Anything that answers requests. `identity` stands in the key under which answers are kept."""

    name: str

    @property
    def identity(self) -> str:
        """A hash of what determines the answers."""
        ...

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """Answers in the order of the requests."""
        ...


def open_model(spec: str, cache: Path) -> Model:
    """The model that `spec` names; `cache` keeps a server's answers.

    Raises DataError where a folder holds no model, UsageError for a malformed server name.
    """
    if spec.startswith(("openai:", "vllm:")):
        from qilin_stages.evals.openai import connect

        return connect(spec, cache)
    return _open_local(spec)


def folders(path: Path) -> tuple[Path, Path | None]:
    """The base model's folder and, where there is one, the adapter's; a run's own facts are checked by its lineage.

    Raises DataError where there is no model, and for a run that is unfinished or was edited.
    """
    if (path / "run.json").is_file():
        from qilin_stages.lineage import resolve

        found = resolve(str(path))
        return found.base, found.adapter
    folder = _model_folder(path)
    if (folder / "config.json").is_file():
        return folder, None
    return _base_of(folder), folder


def _model_folder(path: Path) -> Path:
    if not path.is_dir():
        raise DataError(f"{path}: no such folder. Give a model folder, a run, or openai:NAME@URL.")
    for name in ("config.json", "adapter_config.json"):
        for place in _PLACES:
            if (path / place / name).is_file():
                return path / place
    raise DataError(f"{path}: neither config.json nor adapter_config.json in it. Is the run finished?")


def identity(folder: Path) -> str:
    """A hash of configuration, tokenizer and weights; of files over 256 MB, 256 evenly spaced blocks."""
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.suffix in {".json", ".jinja", ".model", ".txt", ".safetensors"} and file.is_file():
            digest.update(f"{file.name} {file.stat().st_size}\n".encode())
            _hash_file(file, digest)
    return digest.hexdigest()


def _hash_file(file: Path, digest: Any) -> None:
    size = file.stat().st_size
    with file.open("rb") as stream:
        if size <= _WHOLE:
            while block := stream.read(2**20):
                digest.update(block)
            return
        for i in range(256):
            stream.seek(i * (size // 256))
            digest.update(stream.read(2**18))


def _open_local(spec: str) -> Model:
    base, adapter = folders(Path(spec))
    try:
        import transformers
    except ModuleNotFoundError:
        raise UsageError("evaluating a model on this machine needs: pip install 'qilin-chimed[train]'") from None
    from qilin_stages.evals.local import LocalModel

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    model = _load(base)
    if adapter:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, adapter)
    place = adapter if adapter and (adapter / "tokenizer_config.json").is_file() else base
    tokenizer = _tokenizer(place)
    mark = identity(base) + (identity(adapter) if adapter else "")
    return LocalModel(spec, hashlib.sha256(mark.encode()).hexdigest(), model.eval(), tokenizer)


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{folder}: the tokenizer does not load ({' '.join(str(error).split())[:200]}). Put its files "
                        "beside the weights.") from None  # fmt: skip
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token_id is None:
        raise DataError(f"{folder}: the tokenizer has no pad, end or unknown token. Set one in tokenizer_config.json.")
    return tokenizer


def _base_of(folder: Path) -> Path:
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    named = Path(config.get("base_model_name_or_path") or "")
    for base in (named, folder / named, folder.parent / named):
        if str(named) and (base / "config.json").is_file():
            return base
    raise DataError(f"{folder}: the adapter's base model {named} is not here. Merge the run: qilin-stage merge.")


def _load(folder: Path) -> Any:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        model = kind.from_pretrained(
            folder, dtype="auto" if device == "cuda" else torch.float32, use_safetensors=True, trust_remote_code=False,
            local_files_only=True,
        )  # fmt: skip
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise DataError(f"{folder}: the model does not load: {str(error).splitlines()[0]}") from error
    return model.to(device)
