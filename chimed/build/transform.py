"""Second step of a build: staged texts are cleaned, masked, held against the benchmarks and flagged, part by part."""

from __future__ import annotations

import functools
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from chimed import clean, guard, quality, staging
from chimed.formatter import ROLE, same_answer

if TYPE_CHECKING:
    from chimed.privacy import Masker


@dataclass(frozen=True)
class Settings:
    """What the step needs to know; travels to worker processes."""

    clean: tuple[str, ...]
    mask: str
    guard: str
    index: Path | None
    quality: tuple[tuple[str, str], ...]
    boilerplate: frozenset[str] = frozenset()

    @property
    def idle(self) -> bool:
        """Whether no step would look at a text."""
        return not self.clean and self.mask == "off" and self.index is None and not self.quality

    def key(self) -> tuple[Any, ...]:
        """What the outcome depends on; the place of the guard's index does not count, its name holds its content."""
        index = self.index.name if self.index else ""
        return (self.clean, self.mask, self.guard, index, self.quality, sorted(self.boilerplate))


@dataclass
class Fate:
    """What the steps did to one row."""

    texts: list[str]
    reason: str | None = None
    step: str | None = None
    detail: str | None = None
    cleaned: str | None = None
    masked: str | None = None
    flags: str | None = None
    hits: list[Any] = field(default_factory=list)


@functools.lru_cache(maxsize=2)
def _masker(profile: str) -> Masker:
    from chimed.privacy import Masker  # its many patterns take a third of a second to compile

    return Masker(profile)


@functools.lru_cache(maxsize=2)
def _index(path: Path) -> guard.Index:
    return guard.Index.load(path)


def transform_part(source: Path, target: Path, settings: Settings) -> None:
    """Read one staged part, write it transformed; a part that is there already is left alone.

    Benchmark overlaps go to a JSON file beside the part.
    """
    if target.is_file():
        return
    batch = staging.read_part(source)
    table = {
        name: batch.column(name).to_pylist()
        for name in ("texts", "roles", "reason", "step", "detail", "cleaned", "masked", "flags")
    }
    overlaps: list[Any] = []
    for i, reason in enumerate(table["reason"]):
        if reason is not None:
            continue
        fate = transform(table["texts"][i], table["roles"][i], settings)
        for name in ("texts", "reason", "step", "detail", "cleaned", "masked", "flags"):
            table[name][i] = getattr(fate, name)
        overlaps += [(i, hit) for hit in fate.hits]
    found = {"rows": batch.num_rows, "hits": overlaps}
    staging.write_text(target.with_suffix(".overlap.json"), json.dumps(found, ensure_ascii=False))
    columns = [pa.array(table[f.name], f.type) if f.name in table else batch.column(f.name) for f in staging.STAGED]
    staging.write_part(target, pa.RecordBatch.from_arrays(columns, schema=staging.STAGED))


def transform(texts: list[str], roles: str, settings: Settings) -> Fate:
    """All text steps on the texts of one row, in their order; a lost row goes no further."""
    fate = Fate(texts)
    names = [ROLE.get(letter, "text") for letter in roles]
    pair = roles.endswith("cr")
    if settings.clean:
        cleaned = clean.clean(texts, names, pair=pair, boilerplate=settings.boilerplate, steps=settings.clean)
        fate.texts, fate.cleaned = cleaned.texts, ",".join(cleaned.touched) or None
        if not all(fate.texts):
            fate.reason, fate.step, fate.detail = "filtered", "clean", "a text is empty after cleaning"
            return fate
        if pair and same_answer(*fate.texts[-2:]):
            fate.reason, fate.step, fate.detail = "filtered", "clean", "the answers are equal after cleaning"
            return fate
    if settings.mask != "off":
        _mask(fate, settings)
    if settings.index is not None:
        _guard(fate, settings)
    if fate.reason is None and settings.quality:
        _flag(fate, names, dict(settings.quality))
    return fate


def _mask(fate: Fate, settings: Settings) -> None:
    masker = _masker(settings.mask)
    counts: Counter[str] = Counter()
    for i, text in enumerate(fate.texts):
        masked = masker.mask(text)
        if masked.counts:
            fate.texts[i] = masked.text
            counts.update(masked.counts)
    if counts:
        fate.masked = json.dumps(dict(sorted(counts.items())))


def _guard(fate: Fate, settings: Settings) -> None:
    if settings.index is None:
        return
    hits = _index(settings.index).hits(fate.texts)
    fate.hits = [[hit.set, hit.item, round(hit.coverage, 4), hit.run, hit.contaminated] for hit in hits]
    worst = next((hit for hit in hits if hit.contaminated), None)
    if worst is not None and settings.guard == "drop":
        fate.reason, fate.step = "contaminated", "guard"
        fate.detail = json.dumps(
            {"item": f"{worst.set}:{worst.item}", "coverage": round(worst.coverage, 4), "run": worst.run}
        )


def _flag(fate: Fate, roles: list[str], actions: dict[str, str]) -> None:
    raised = [name for name in quality.flags(fate.texts, roles) if actions.get(name, "off") != "off"]
    fate.flags = ",".join(raised) or None
    dropped = [name for name in raised if actions[name] == "drop"]
    if dropped:
        fate.reason, fate.step, fate.detail = "filtered", "quality", ",".join(dropped)
