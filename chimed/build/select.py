"""Third step of a build: which rows stay. Duplicates, takedowns, the mixture, and the validation part by cluster."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from chimed import staging
from chimed.build.lanes import SAMPLED, TRAIN, VALIDATION, Lanes
from chimed.recipe import Dedup, Mixture, Share
from chimed.release import Release

if TYPE_CHECKING:
    from chimed.engine import Engine


def deduplicate(
    lanes: Lanes, words: Dedup, work: Path, against: Release | None, where: Engine, report: Callable[..., None]
) -> dict[str, Any]:
    """Lose the duplicates among the live rows; returns what the manifest says of it."""
    if words.method == "off":
        return {"method": "off"}
    from chimed import dedup, engine  # their compiled code takes a second to load

    alive = lanes.alive()
    settings = dedup.NearSettings.preset(words.preset, words.threshold, words.numbers)
    found = engine.finder(where, words.method)(lanes.texts, settings, work, against=against, progress=report)
    for code, reason in enumerate(dedup.REASONS):
        if reason:
            lanes.lose(alive[np.flatnonzero(found.reason == code)], reason)
    lanes.twin[alive] = np.where(found.twin >= 0, alive[np.maximum(found.twin, 0)], -1)
    lanes.released = {int(alive[row]): name for row, name in found.released.items()}
    lanes.cluster[alive] = alive[found.cluster]
    lanes.similarity[alive] = found.similarity
    return {"method": words.method} | settings.describe() | {"saved_by_numbers": found.saved_by_numbers}


def exclude(lanes: Lanes, names: Collection[str]) -> None:
    """Lose taken-down rows by id or by the SHA-1 of their text; their duplicates are lost already."""
    if not names:
        return
    wanted = pa.array(sorted(names), pa.string())
    for lane in lanes.lanes:
        start = 0
        for part in staging.read_parts(lane.parts, ["text_sha1"]):
            numbers = np.arange(start, start + part.num_rows)
            ids = lane.id_column(numbers)
            hit = pc.or_(pc.is_in(part.column(0), wanted), pc.is_in(ids, wanted)).to_numpy(zero_copy_only=False)
            rows = lane.start + numbers[hit]
            lanes.lose(rows[lanes.fate[rows] == TRAIN], "excluded")
            start += part.num_rows


def _mixed(values: npt.NDArray[np.uint64], seed: int) -> npt.NDArray[np.uint64]:
    """A seeded 64-bit mix (splitmix64): an order that depends on a row's own hash alone."""
    x = values + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: npt.NDArray[np.uint64] = x ^ (x >> np.uint64(31))
    return mixed


def _thin(lanes: Lanes, rows: npt.NDArray[np.int64], hashes: npt.NDArray[np.uint64], keep: int, seed: int) -> None:
    """Sample rows away until `keep` are left: those with the smallest mixed hash stay."""
    if keep < len(rows):
        order = np.lexsort((rows, _mixed(hashes, seed)))
        lanes.fate[rows[order[keep:]]] = SAMPLED


def mix(lanes: Lanes, words: Mixture, seed: int) -> dict[str, int]:
    """Sample by the recipe's words; returns how many times each repeated source's rows are published."""
    times: dict[str, int] = {}
    for lane in lanes.lanes:
        word = words.sources.get(lane.source.name, "all")
        if not isinstance(word, Share):
            continue
        if word.times is not None:
            times[lane.source.name] = word.times
            continue
        local = np.flatnonzero(lanes.fate[lane.start : lane.start + len(lane)] == TRAIN)
        keep = word.rows if word.rows is not None else round((word.share or 1.0) * len(local))
        _thin(lanes, local + lane.start, lane.hashes[local], keep, seed)
    if words.medical_to_general is not None:
        _balance(lanes, words.medical_to_general, seed)
    return times


def _balance(lanes: Lanes, ratio: str, seed: int) -> None:
    """Thin the side that is too many for a ratio of medical to general rows."""
    medical_part, general_part = (int(part) for part in ratio.split(":"))
    medical = np.concatenate([lane.medical for lane in lanes.lanes])
    hashes = np.concatenate([lane.hashes for lane in lanes.lanes])
    alive = lanes.alive()
    sides = alive[medical[alive]], alive[~medical[alive]]
    unit = min(len(sides[0]) // medical_part, len(sides[1]) // general_part)
    for rows, part in zip(sides, (medical_part, general_part), strict=True):
        _thin(lanes, rows, hashes[rows], unit * part, seed)


def validate_part(lanes: Lanes, share: float, seed: int) -> None:
    """Move whole near-duplicate clusters to the validation part, about `share` of them."""
    alive = lanes.alive()
    if not share or not len(alive):
        return
    hashes = np.concatenate([lane.hashes for lane in lanes.lanes])
    picked = _mixed(hashes[lanes.cluster[alive]], seed + 1) < np.uint64(int(share * 2**64))
    if not picked.all():
        lanes.fate[alive[picked]] = VALIDATION
