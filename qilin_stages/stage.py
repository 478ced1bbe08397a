"""What a stage is, and how stages are found: the entry-point group `qilin_stages`, built-ins by the same road."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, Protocol

from chimed.errors import ConflictError, UsageError
from chimed.records import SPLITS, Split
from qilin_stages.plan import Facts, Plan
from qilin_stages.recipe import StageConfig

GROUP = "qilin_stages"


class Context(Protocol):
    """What a running stage is given: the model, the rows, the trainer's arguments and the loop around it."""

    def model(self, cfg: Any) -> tuple[Any, Any]:
        """The parent's model (its adapter merged) and its tokenizer."""

    def dataset(self, cfg: Any) -> tuple[Any, Any]:
        """Training rows and held-out rows (None without) as the split publishes them, as datasets.Dataset."""

    def training_args(self, kind: type[Any], cfg: Any, **more: Any) -> Any:
        """Trainer arguments of `kind` from the recipe; `more` wins."""

    def peft(self, cfg: Any) -> Any:
        """The adapter's peft config, None where all weights are trained."""

    def fit(self, trainer: Any) -> None:
        """Train, resume, checkpoint, log; then save, merge and check the result."""


class Stage(Protocol):
    """A training stage. `config` is a StageConfig (unknown keys forbidden); only `run` may import torch."""

    name: ClassVar[str]
    consumes: ClassVar[Split]
    config: ClassVar[type[StageConfig]]

    def plan(self, cfg: Any, facts: Facts) -> Plan:
        """Steps, tokens, memory and hours: arithmetic alone."""

    def run(self, cfg: Any, ctx: Context) -> None:
        """Train."""


@dataclass(frozen=True)
class Found:
    """A stage by its entry point; the class is loaded when asked for."""

    name: str
    package: str
    entry: EntryPoint

    def load(self) -> Stage:
        """The stage. Raises UsageError when the package is broken or the class is no stage."""
        try:
            stage = self.entry.load()()
        except Exception as error:  # noqa: BLE001 - a foreign package may fail in any way
            raise UsageError(f"the stage '{self.name}' of {self.package} cannot be loaded: {error}.") from error
        wrong = [key for key in ("name", "consumes", "config", "run") if not hasattr(stage, key)]
        if wrong or stage.consumes not in SPLITS:
            raise UsageError(f"the stage '{self.name}' of {self.package} lacks {', '.join(wrong) or 'a known split'}.")
        return stage


def discover() -> Mapping[str, Found]:
    """All stages by name. Raises ConflictError when two packages claim one name."""
    found: dict[str, Found] = {}
    for entry in entry_points(group=GROUP):
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown"
        other = found.get(entry.name)
        if other is not None and (other.package, other.entry.value) != (package, entry.value):
            raise ConflictError(f"two packages offer the stage '{entry.name}': {other.package} and {package}. "
                                "Uninstall one.")  # fmt: skip
        found[entry.name] = Found(entry.name, package, entry)
    order = {name: i for i, name in enumerate(SPLITS)}
    return dict(sorted(found.items(), key=lambda item: (order.get(item[0], 9), item[0])))  # type: ignore[call-overload]


def get(name: str) -> Stage:
    """One stage by name."""
    found = discover()
    if name not in found:
        raise UsageError(f"no stage '{name}'; there are: {', '.join(found)}.")
    return found[name].load()


def listing() -> list[dict[str, str]]:
    """Name, split and package of every stage; a broken one is a warning on stderr."""
    rows = []
    for found in discover().values():
        try:
            rows.append({"name": found.name, "consumes": found.load().consumes, "package": found.package})
        except UsageError as error:
            print(f"warning: {error}", file=sys.stderr)  # noqa: T201
    return rows
