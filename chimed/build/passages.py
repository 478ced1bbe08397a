"""Repeated passages inside rows: flagged in every release, cut out of running text where the recipe says so.

Only CPT text is cut: a hole in a conversation would break an answer. Parts that hold such a row are written anew.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from chimed import staging
from chimed.build.lanes import Lane, Lanes
from chimed.records import Split

if TYPE_CHECKING:
    from chimed.dedup import Cut
    from chimed.engine import Engine

FLAGGED, SHORTENED = "repeated_passage", "repeated_passage_cut"


def mark(lanes: Lanes, split: Split, words: str, work: Path, where: Engine) -> dict[str, Any]:
    """Find repeated passages among the live rows on an engine; returns what the manifest says of them.

    `words` is off, flag or cut. A row of which too little is left is lost as `repeated_substring`, with its twin.
    """
    if words == "off":
        return {"action": "off"}
    from chimed import dedup, engine  # their compiled code takes a second to load

    cutting = words == "cut" and split == "cpt"
    alive = lanes.alive()
    settings = dedup.SubstringSettings()
    size = sum(part.stat().st_size for lane in lanes.lanes for part in lane.parts)
    facts = {
        "action": "cut" if cutting else "flag",
        "length": settings.length,
        "rows": 0,
        "characters": 0,
        "dropped": 0,
    }
    found = engine.finder(where, "substring")(lanes.texts, settings, work / "windows", 3 * size)
    by_part = itertools.groupby(_placed(lanes, alive, found), key=lambda placed: placed[:2])
    for (lane, number), cuts in by_part:
        target = work / "parts" / f"{lane.source.name}-{number:06d}.arrow"
        lane.parts[number] = _rewritten(lane.parts[number], target, [cut[2:] for cut in cuts], cutting, lanes, facts)
    return facts


def _placed(lanes: Lanes, alive: Any, found: Iterator[Cut]) -> Iterator[tuple[Lane, int, int, int, int, Cut]]:
    """Every cut with its lane, part, row in the part, global row and the twin's global row."""
    for cut in found:
        place = int(alive[cut.row])
        lane = lanes.lane_of(place)
        ends = np.cumsum(lane.sizes)
        number = int(np.searchsorted(ends, place - lane.start, side="right"))
        row = place - lane.start - int(ends[number] - lane.sizes[number])
        yield lane, number, row, place, int(alive[cut.twin]), cut


def _rewritten(
    part: Path, target: Path, cuts: list[tuple[int, int, int, Cut]], cutting: bool, lanes: Lanes, facts: dict[str, Any]
) -> Path:
    """Write a part with its cut or flagged rows; returns the new part's path."""
    batch = staging.read_part(part)
    texts, flags = batch.column("texts").to_pylist(), batch.column("flags").to_pylist()
    for row, place, twin, cut in cuts:
        facts["rows"] += 1
        facts["characters"] += sum(end - begin for begin, end in cut.spans)
        flags[row] = ",".join(filter(None, (flags[row], SHORTENED if cutting else FLAGGED)))
        if cutting and cut.drop:
            facts["dropped"] += 1
            lanes.lose(np.array([place]), "repeated_substring")
            lanes.twin[place] = twin
            lanes.similarity[place] = sum(end - begin for begin, end in cut.spans) / max(1, len(texts[row][0]))
        elif cutting:
            texts[row] = [cut.text]
    made = {"texts": texts, "flags": flags}
    columns = [pa.array(made[f.name], f.type) if f.name in made else batch.column(f.name) for f in staging.STAGED]
    staging.write_part(target, pa.RecordBatch.from_arrays(columns, schema=staging.STAGED))
    _keep_overlap(part, target)
    return target


def _keep_overlap(part: Path, target: Path) -> None:
    """What the guard found in the part goes with it."""
    found = part.with_suffix(".overlap.json")
    if found.is_file():
        staging.write_text(target.with_suffix(".overlap.json"), found.read_text(encoding="utf-8"))
