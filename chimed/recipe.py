"""A recipe says in words how a release is built: which steps, which mixture, which sources of one's own (TOML).

Unknown keys are refused with the nearest known name. `recipes/default.toml` holds every default and says why.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from chimed import clean, packaged, quality
from chimed.errors import UsageError
from chimed.records import Frozen

Quality = Literal["off", "flag", "drop"]


def _among(known: Collection[str], what: str, names: Any) -> Any:
    """The names as they are; ValueError for one that is not known, with the nearest that is."""
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise ValueError(f"no {what} {name!r} ({f'did you mean {near[0]!r}?' if near else ', '.join(known)})")
    return names


def _shaped(pattern: str, words: str, text: str) -> str:
    """The text as it is; ValueError that says in words what it should be."""
    if not re.fullmatch(pattern, text):
        raise ValueError(f"should be {words}")
    return text


Version = Annotated[str, AfterValidator(partial(_shaped, r"[0-9]+\.[0-9]+\.[0-9]+", "three numbers, such as 1.0.0"))]
Ratio = Annotated[str, AfterValidator(partial(_shaped, "[1-9][0-9]*:[1-9][0-9]*", "two whole numbers, such as 2:1"))]
Steps = Annotated[tuple[str, ...], AfterValidator(partial(_among, clean.STEPS, "step"))]
Flags = Annotated[dict[str, Quality], AfterValidator(partial(_among, quality.DEFAULTS, "flag"))]


class Clean(Frozen):
    """Which cleaning steps run, and whether boilerplate found by repeat count is removed."""

    steps: Steps | None = None
    boilerplate: bool = True


class Guard(Frozen):
    """What happens to a training row that holds a benchmark item."""

    action: Literal["drop", "report", "off"] = "drop"


class Dedup(Frozen):
    """Deduplication: method, preset, and which source's twin stays (earlier in `priority` wins)."""

    method: Literal["near", "exact", "off"] = "near"
    preset: Literal["default", "strict", "lee2022"] = "default"
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.8
    numbers: Literal["same", "ignore"] = "same"
    substring: Literal["off", "flag", "cut"] = "flag"
    priority: tuple[str, ...] = ()


class Share(Frozen):
    """How much of one source enters: all of it, `rows`, a `share`, or everything several `times`."""

    rows: Annotated[int, Field(gt=0)] | None = None
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    times: Annotated[int, Field(ge=1, le=100)] | None = None

    @model_validator(mode="after")
    def _one_word(self) -> Share:
        if sum(value is not None for value in (self.rows, self.share, self.times)) != 1:
            raise ValueError("say one of rows, share or times")
        return self


class Mixture(Frozen):
    """What is taken of each source (all unless named), and the ratio of medical to general rows ("2:1")."""

    sources: dict[str, Literal["all"] | Share] = Field(default_factory=dict)
    medical_to_general: Ratio | None = None


class Recipe(Frozen):
    """Everything that decides the content of a release besides the upstream files.

    `options` are settings of sources by name, such as `answers = "human"` of hc3_chinese; `source` adds data sets.
    """

    name: str = "default"
    version: Version = "0.1.0"
    seed: int = 42
    validation: Annotated[float, Field(ge=0, le=0.5)] = 0.01
    clean: Clean = Clean()
    mask: Literal["standard", "strict", "off"] = "standard"
    guard: Guard = Guard()
    quality: Flags = Field(default_factory=dict)
    dedup: Dedup = Dedup()
    mixture: Mixture = Mixture()
    options: dict[str, dict[str, str]] = Field(default_factory=dict)
    source: tuple[dict[str, Any], ...] = ()


def _known(model: type[Any], path: tuple[str | int, ...]) -> list[str]:
    """Field names of the table in which an unknown key stood."""
    for part in path:
        field = model.model_fields.get(str(part))
        if field is None or not hasattr(field.annotation, "model_fields"):
            return []
        model = field.annotation
    return list(model.model_fields)


def explain(error: ValidationError, where: str, model: type[Any]) -> str:
    """One line per fault: where, what came, and the nearest known name of a misspelt key."""
    lines = []
    for fault in _worth_saying(error):
        place = ".".join(part for part in map(str, fault["loc"]) if "[" not in part)  # no names of pydantic's own
        hint = ""
        if fault["type"] == "extra_forbidden":
            known = _known(model, fault["loc"][:-1])
            near = difflib.get_close_matches(str(fault["loc"][-1]), known, 1)
            hint = f" (did you mean {near[0]!r}?)" if near else f" (known here: {', '.join(known)})" if known else ""
        lines.append(f"{where}: {place}: {fault['msg']}{hint}")
    return "\n".join(lines)


def _worth_saying(error: ValidationError) -> list[Any]:
    """Its faults, but for "should be 'all'" where another one says what is wrong with the table that was given."""
    tables = {fault["loc"][:3] for fault in error.errors() if fault["type"] != "literal_error"}
    return [f for f in error.errors() if f["type"] != "literal_error" or f["loc"][:3] not in tables]


def load(place: Path | None = None) -> Recipe:
    """The recipe of a TOML file, or the packaged default.

    Raises UsageError for a missing file, bad TOML or a key or value that is not known.
    """
    file = place or packaged.folder("recipes") / "default.toml"
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UsageError(f"{file}: no such recipe. Copy the packaged default.toml and change it.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: not TOML: {error}.") from None
    try:
        return Recipe.model_validate(table)
    except ValidationError as error:
        raise UsageError(explain(error, str(file), Recipe)) from None


def with_options(recipe: Recipe, **options: Any) -> Recipe:
    """The recipe with what the command line says; None leaves the recipe's word. Keys are dotted by `__`."""
    table = recipe.model_dump()
    for name, value in options.items():
        if value is None:
            continue
        *path, last = name.split("__")
        place = table
        for part in path:
            place = place[part]
        place[last] = value
    try:
        return Recipe.model_validate(table)
    except ValidationError as error:
        raise UsageError(explain(error, "command line", Recipe)) from None
