"""Throwaway environments with the trainers of other houses, one each, because their pins exclude ours and each other's.

An environment lies in the user's cache folder under chimed/trainers/NAME and holds the trainer itself with what its data
side imports; what only a GPU, a user interface or a cloud store needs is left out, by name, below.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from pathlib import Path

# pip takes the CPU build for this range; torchvision and torchaudio of the index are built for another one.
TORCH = "torch>=2.13,<2.14"
_DEPENDENCIES = """
import sys
from importlib.metadata import requires
from pip._vendor.packaging.requirements import Requirement
for line in requires(sys.argv[1]):
    wanted = Requirement(line)
    name = wanted.name.lower().replace("_", "-")
    if name not in sys.argv[2:] and (wanted.marker is None or wanted.marker.evaluate({"extra": ""})):
        print(f"{wanted.name}{wanted.specifier}")
"""


@dataclass(frozen=True)
class Trainer:
    """A trainer as the package index has it: distribution, version, and dependencies that reading data needs not."""

    package: str
    version: str
    without: tuple[str, ...]


TRAINERS = {
    "llamafactory": Trainer("llamafactory", "0.9.5", ("torchvision", "torchaudio", "gradio", "av")),
    "swift": Trainer("ms-swift", "4.6.0", ()),
    "axolotl": Trainer("axolotl", "0.19.0", (
        "bitsandbytes", "triton", "xformers", "liger-kernel", "torchao", "fla-core", "flash-linear-attention",
        "nvidia-ml-py", "kernels", "gradio", "modal", "wandb", "trackio", "s3fs", "gcsfs", "adlfs", "ocifs", "lm-eval",
        "openenv-core", "hf-transfer", "posthog",
    )),
}  # fmt: skip


def folder(name: str) -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "chimed" / "trainers" / name


def python(name: str) -> Path | None:
    """The interpreter of a finished environment of the pinned version, or None."""
    done = folder(name) / "installed"
    if not done.is_file() or done.read_text(encoding="utf-8") != TRAINERS[name].version:
        return None
    return folder(name) / "bin" / "python"


def setup(name: str) -> None:
    """Make the environment (gigabytes, minutes); an unfinished one is taken up where pip left it."""
    trainer, place, started = TRAINERS[name], folder(name), time.monotonic()
    if not (place / "bin" / "python").exists():
        venv.create(place, with_pip=True)
    own = str(place / "bin" / "python")
    pip = [own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--upgrade", "pip>=25.1", "setuptools", "wheel"], check=True)
    subprocess.run([*pip, "--no-deps", f"{trainer.package}=={trainer.version}"], check=True)
    listed = [own, "-c", _DEPENDENCIES, trainer.package, "torch", *trainer.without]
    needed = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split("\n")
    subprocess.run([*pip, TORCH, *filter(None, needed)], check=True)
    (place / "installed").write_text(trainer.version, encoding="utf-8")
    print(f"{name} {trainer.version}: {place} in {time.monotonic() - started:.0f} s", file=sys.stderr)
