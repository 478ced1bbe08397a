"""Builds a release: the only place that knows the order of the steps. Stops anywhere, goes on where it was.

files → parse → staged texts → clean, mask, guard, quality → dedup, mixture, validation → shards → ledger → manifest
"""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from chimed import clean, quality, staging
from chimed.build import passages, select, transform, write
from chimed.build.checked import Checked, index_of
from chimed.build.inputs import Input, chosen, find, known_sources, refuse_unserved
from chimed.build.lanes import Lane, Lanes, load
from chimed.build.measure import source_entries
from chimed.build.overlap import write_overlap
from chimed.build.reading import watched
from chimed.build.samples import write_samples
from chimed.build.stage import stage_source
from chimed.build.work import alone_in, code_of, code_version, versions
from chimed.build.workers import Run, fitting, workers
from chimed.complete import complete
from chimed.errors import DataError
from chimed.recipe import Recipe
from chimed.records import RELEASE_NAMES, Split
from chimed.release import MANIFEST, NOTE, Manifest, Release, open_release
from chimed.source import refuse_faults

Report = Callable[..., None]


@dataclass(frozen=True)
class Order:
    """What a build was asked for. `evals` is the folder of evaluation sets, `against` an earlier release."""

    splits: tuple[Split, ...]
    root: Path
    out: Path
    recipe: Recipe
    only: tuple[str, ...] = ()
    limit: int | None = None
    exclude: tuple[str, ...] = ()
    evals: Path | None = None
    against: Path | None = None
    workers: int | None = None
    engine: Literal["local", "ray"] = "local"
    report: Report = field(default=lambda *_, **__: None)


def build(order: Order) -> tuple[list[Release], list[str]]:
    """Build the releases of the order; returns them and the names of absent sources.

    Raises DataError when nothing is there, a named source is absent, a file cannot be read, or a ledger does not close;
    ConflictError when another build or something that is no release holds the place. Without a manifest a release does not exist.
    """
    sources = known_sources(order.recipe)
    refuse_unserved(sources, order.splits, order.only)
    plans: list[tuple[Split, list[Input]]] = []
    absent: set[str] = set()
    for split in order.splits:
        inputs, missing = find(chosen(sources, split, order.only), split, order.root)
        plans.append((split, inputs))
        absent |= set(missing)
    if order.only and absent:
        raise DataError(
            f"{', '.join(sorted(absent))}: no files below {order.root}. chimed sources says how to obtain them."
        )
    if not any(inputs for _, inputs in plans):
        own = [f"{table.get('name')} looks for {table.get('files')}" for table in order.recipe.source]
        said = "; ".join([f"none of the sources of {', '.join(order.splits)} is here", *own])
        raise DataError(f"{order.root}: {said}. It has to hold one folder per source, named as chimed sources says.")
    refuse_faults(((i.source, i.folder, i.files) for _, inputs in plans for i in inputs), order.root)
    write.refuse_to_replace(order.out / RELEASE_NAMES[split] for split, inputs in plans if inputs)
    total = sum(item.bytes() for _, inputs in plans for item in inputs)
    with alone_in(order.out) as work, workers(order.workers or fitting(total), order.engine) as run:
        checked = index_of(order.evals, order.recipe.guard.action, work / "guard")
        releases = [_Build(order, split, inputs, work, run, checked).release() for split, inputs in plans if inputs]
        shutil.rmtree(work / "guard", ignore_errors=True)
    return releases, sorted(absent)


class _Build:
    """One split on its way; the methods stand in the order in which they run."""

    def __init__(self, order: Order, split: Split, inputs: list[Input], work: Path, run: Run, checked: Checked) -> None:
        self.order, self.split, self.inputs, self.run = order, split, self._ranked(order.recipe, inputs), run
        self.index, self.guarded = checked
        self.work = work / split
        self.started = time.monotonic()
        self.files = {item.source.name: item.upstream_files() for item in self.inputs}
        self.against = open_release(order.against) if order.against else None
        self.boilerplate: dict[str, list[str]] = {}
        self.parsed: dict[str, list[Path]] = {}

    @staticmethod
    def _ranked(recipe: Recipe, inputs: list[Input]) -> list[Input]:
        """Sources by the recipe's priority, then by name: the rank that decides which twin stays."""
        places = {name: place for place, name in enumerate(recipe.dedup.priority)}
        return sorted(inputs, key=lambda item: (places.get(item.source.name, len(places)), item.source.name))

    def release(self) -> Release:
        recipe = self.order.recipe
        read = self._parse()
        lanes = self._transform(read)
        facts = select.deduplicate(
            lanes, recipe.dedup, self._folder("dedup"), self.against, self.order.engine, self.order.report
        )
        repeated = passages.mark(lanes, self.split, recipe.dedup.substring, self._folder("passages"), self.order.engine)
        excluded = self._excluded()
        select.exclude(lanes, excluded)
        times = select.mix(lanes, recipe.mixture, recipe.seed)
        select.validate_part(lanes, recipe.validation, recipe.seed)
        return self._write(
            lanes,
            times,
            {"dedup": facts, "passages": repeated, "guard": self.guarded, "boilerplate": self.boilerplate},
            excluded,
        )

    def _folder(self, name: str) -> Path:
        folder = self.work / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _key(self, item: Input) -> str:
        """All that staged rows depend on: code (a plug-in's too), files, and what the recipe says of the source."""
        name, recipe = item.source.name, self.order.recipe
        files = [(file.path, file.sha256) for file in self.files[name]]
        said = recipe.options.get(name), [table for table in recipe.source if table.get("name") == name]
        return staging.digest(
            code_version(), code_of(item.source.parse), self.split, name, said, files, self.order.limit
        )

    def _parse(self) -> dict[str, Lane]:
        """Stage every source; returns its lane with the rows that its reader counted."""
        calls = []
        for item in self.inputs:
            out = self._folder("parse") / f"{item.source.name}-{self._key(item)}"
            calls.append((item, self.split, out, self.order.limit))
        lanes = {}
        sizes = {out: item.bytes() for item, _, out, _ in calls}
        with watched(sizes, f"{self.split}: read", self.order.report):
            for name, read, out in self.run(_stage, calls):
                lanes[name] = Lane(_source_of(self.inputs, name), read, staging.parts_in(out))
        return lanes

    def _transform(self, lanes: dict[str, Lane]) -> Lanes:
        """Run the text steps on every part; the lanes then point at the transformed parts."""
        settings = self._settings()
        calls, after = [], {}
        for item in self.inputs:
            lane = lanes[item.source.name]
            words = replace(settings, boilerplate=self._boilerplate(lane))
            self.boilerplate[item.source.name] = sorted(words.boilerplate)
            folder = self._folder("text") / f"{item.source.name}-{staging.digest(self._key(item), words.key())}"
            self.parsed[item.source.name] = lane.parts
            if words.idle:
                after[item.source.name] = lane.parts
                continue
            after[item.source.name] = [folder / part.name for part in lane.parts]
            calls += [(part, folder / part.name, words) for part in lane.parts]
        for number, _ in enumerate(self.run(transform.transform_part, calls), start=1):
            self.order.report(number, len(calls), f"{self.split}: clean, mask, guard")
        return load([replace(lanes[item.source.name], parts=after[item.source.name]) for item in self.inputs])

    def _settings(self) -> transform.Settings:
        recipe = self.order.recipe
        steps = tuple(clean.STEPS) if recipe.clean.steps is None else recipe.clean.steps
        actions = tuple(sorted((k, v) for k, v in (quality.DEFAULTS | recipe.quality).items() if v != "off"))
        return transform.Settings(steps, recipe.mask, recipe.guard.action, self.index, actions)

    def _boilerplate(self, lane: Lane) -> frozenset[str]:
        """Sentences that a source repeats under its texts, found by repeat count over all of it."""
        if not self.order.recipe.clean.boilerplate or not lane.parts:
            return frozenset()
        found = lane.parts[0].parent / "boilerplate.json"
        if not found.is_file():
            counter: Counter[str] = Counter()
            for part in staging.read_parts(lane.parts, ["texts"]):
                clean.count_sentences(part.column("texts").flatten().to_pylist(), counter)
            repeated = sorted(clean.repeated_sentences(counter))
            staging.write_text(found, json.dumps(repeated, ensure_ascii=False))
        return frozenset(json.loads(found.read_text(encoding="utf-8")))

    def _excluded(self) -> list[str]:
        """Taken-down rows: those named now and those that the release in this place or the one of `against` carries.

        A build that was stopped while it put the new release in its place has left the old one in the working folder.
        """
        places = (self.order.out / RELEASE_NAMES[self.split], write.set_aside(self._folder("release"), self.split))
        carried = [open_release(place).manifest.excluded for place in places if (place / MANIFEST).is_file()]
        carried += [self.against.manifest.excluded] if self.against else []
        return sorted({*self.order.exclude, *(name for names in carried for name in names)})

    def _write(self, lanes: Lanes, times: dict[str, int], steps: dict[str, Any], excluded: list[str]) -> Release:
        shutil.rmtree(self.work / "release", ignore_errors=True)  # a stopped build may have had other settings
        folder, recipe = self._folder("release"), self.order.recipe
        files, counts = write.write_data(folder, lanes, self.split, times)
        ledger = write.accounts(lanes, counts)
        files += write.write_sides(folder, lanes)
        files += [write_samples(folder, lanes, self.parsed), *write_overlap(folder, lanes)]
        files += write.write_sketches(folder, lanes, self.split, recipe.dedup, times)
        entries = source_entries(self.inputs, self.files, lanes, ledger, counts)
        size = sum(file.bytes for file in files if file.path.startswith("data/"))
        manifest = Manifest(
            name=RELEASE_NAMES[self.split], split=self.split, version=recipe.version,
            rows=sum(account.records for account in ledger), bytes=size, files=files,
            sources=entries, settings=self._said(), versions=versions(), steps=steps, excluded=excluded,
        )  # fmt: skip
        manifest = complete(folder, manifest)
        self._note(folder)
        staging.write_text(folder / MANIFEST, manifest.dumps())
        write.replace_folder(folder, self.order.out / manifest.name, write.set_aside(folder, self.split))
        shutil.rmtree(self.work)
        return open_release(self.order.out / manifest.name)

    def _said(self) -> dict[str, Any]:
        """Everything that was asked for and decides about the content; no path, no worker count."""
        said: dict[str, Any] = {"recipe": self.order.recipe.model_dump(mode="json"), "limit": self.order.limit}
        said["only"] = sorted(self.order.only)
        if self.against:
            earlier = self.against.manifest
            key = staging.digest(earlier.dumps())
            said["against"] = {"name": earlier.name, "version": earlier.version, "manifest": key}
        return said

    def _note(self, folder: Path) -> None:
        """Where the upstream files lie and how long it took: for `trace`, on this machine only."""
        note = {"from": str(self.order.root.resolve()), "seconds": round(time.monotonic() - self.started, 1)}
        staging.write_text(folder / NOTE, json.dumps(note, ensure_ascii=False, indent=2))


def _stage(item: Input, split: Split, out: Path, limit: int | None) -> tuple[str, int, Path]:
    return item.source.name, stage_source(item.source, split, item.folder, item.files, out, limit), out


def _source_of(inputs: Sequence[Input], name: str) -> Any:
    return next(item.source for item in inputs if item.source.name == name)


__all__ = ["Order", "build"]
