"""Staged rows as the rows of a release: published columns, origins, losses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from chimed import __version__, clean, quality, staging
from chimed.build.lanes import LOST, SAMPLED, TRAIN, VALIDATION, Lane, Lanes
from chimed.formatter import ROLE, publish
from chimed.parquet import published_schema
from chimed.records import REASONS, Split

_PLACE = pa.struct([("file", pa.string()), ("position", pa.int64())])
ORIGIN = pa.schema([
    ("id", pa.string()), ("source", pa.string()), ("part", pa.string()), ("file", pa.string()),
    ("position", pa.int64()), ("rows", pa.int32()), ("title", pa.string()), ("upstream_id", pa.string()),
    ("text_sha1", pa.string()), ("metadata", pa.string()), ("steps", pa.string()),
])  # fmt: skip
LOSSES = pa.schema([
    ("id", pa.string()), ("source", pa.string()), ("step", pa.string()), ("reason", pa.string()),
    ("rows", pa.int32()), ("twin", pa.string()), ("similarity", pa.float32()), ("origin", _PLACE),
    ("detail", pa.string()), ("text_sha1", pa.string()), ("steps", pa.string()), ("preview", pa.string()),
])  # fmt: skip
PREVIEW = 700
_DONE = ("repairs", "cleaned", "masked", "flags")
_KEPT = ("file", "position", "rows", "title", "upstream_id", "text_sha1", "metadata")
_CODES = np.zeros(256, np.int32)
_NAMES = sorted(set(ROLE.values()))
for _letter, _role in ROLE.items():
    _CODES[ord(_letter)] = _NAMES.index(_role)
STEP_OF = {
    "exact_duplicate": "dedup",
    "near_duplicate": "dedup",
    "repeated_substring": "substring",
    "excluded": "exclude",
}


def _parts(
    lane: Lane, fates: npt.NDArray[np.uint8], wanted: tuple[int, ...], columns: list[str] | None
) -> Iterator[tuple[pa.RecordBatch, npt.NDArray[np.int64]]]:
    """The rows of a lane whose fate is wanted, part by part, with their numbers in the lane."""
    start = 0
    for path, size in zip(lane.parts, lane.sizes, strict=True):
        here = np.flatnonzero(np.isin(fates[start : start + size], wanted))
        if len(here):
            part = staging.read_part(path, columns)
            yield part if len(here) == size else part.take(pa.array(here)), here + start
        start += size


def _fates(lanes: Lanes, lane: Lane) -> npt.NDArray[np.uint8]:
    return lanes.fate[lane.start : lane.start + len(lane)]


def _messages(texts: pa.ListArray, roles: pa.StringArray) -> pa.ListArray:
    """Messages of all rows at once; equal to formatter.messages_of row by row."""
    letters = np.frombuffer("".join(roles.to_pylist()).encode("ascii"), np.uint8)
    names = pa.DictionaryArray.from_arrays(pa.array(_CODES[letters]), pa.array(_NAMES)).cast(pa.string())
    struct = pa.StructArray.from_arrays([names, texts.flatten()], ["role", "content"])
    lengths = pc.list_value_length(texts).to_numpy()
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), struct)


def _training_columns(split: Split, texts: pa.ListArray, roles: pa.StringArray) -> dict[str, pa.Array]:
    if split == "cpt":
        return {"text": texts.flatten()}
    if split == "sft":
        one = pc.equal(pc.count_substring(roles, "u"), 1)
        return {"messages": _messages(texts, roles), "rounds": pc.if_else(one, "single", "multi")}
    rows = [publish(split, t, r) for t, r in zip(texts.to_pylist(), roles.to_pylist(), strict=True)]
    return {name: pa.array([row[name] for row in rows], published_schema(split).field(name).type) for name in rows[0]}


def published(lanes: Lanes, lane: Lane, split: Split, fate: int, times: int = 1) -> Iterator[pa.RecordBatch]:
    """The published rows of one source and part; repeats of a row carry `#2`, `#3` … at the end of their id."""
    schema = published_schema(split)
    for copy in range(1, times + 1):
        for part, numbers in _parts(
            lane, _fates(lanes, lane), (fate,), ["texts", "roles", "kind", "domain", "license"]
        ):
            ids = lane.id_column(numbers)
            if copy > 1:
                ids = pc.binary_join_element_wise(ids, f"#{copy}", "")
            columns = _training_columns(split, part.column("texts"), part.column("roles"))
            columns |= {"id": ids, "source": pa.repeat(lane.source.name, len(ids))}
            columns |= {name: part.column(name) for name in ("kind", "domain", "license")}
            yield pa.RecordBatch.from_arrays(
                [columns[name].cast(schema.field(name).type) for name in schema.names], schema=schema
            )


def did(row: dict[str, Any], extra: list[dict[str, str]]) -> str:
    """What each step did to a row, as JSON: a list of step, version, did."""
    steps = [{"step": "parse", "version": __version__, "did": row["repairs"] or "read"}]
    steps += [
        {"step": f"clean.{name}", "version": clean.STEPS[name], "did": "changed the text"}
        for name in (row["cleaned"] or "").split(",")
        if name
    ]
    if row["masked"]:
        from chimed import privacy  # its many patterns take a third of a second to compile

        counts = ", ".join(f"{name} {count}" for name, count in json.loads(row["masked"]).items())
        steps.append({"step": "mask", "version": privacy.RULES_VERSION, "did": f"masked {counts}"})
    if row["flags"]:
        steps.append({"step": "quality", "version": quality.VERSION, "did": f"flagged {row['flags']}"})
    return json.dumps(steps + extra, ensure_ascii=False)


def origins(lanes: Lanes) -> Iterator[pa.RecordBatch]:
    """Where each published row came from, in the order of the shards, train before validation."""
    for lane in lanes.lanes:
        for fate, name in ((TRAIN, "train"), (VALIDATION, "validation")):
            for part, numbers in _parts(lane, _fates(lanes, lane), (fate,), [*_KEPT, *_DONE]):
                made = {
                    "id": lane.id_column(numbers),
                    "source": pa.repeat(lane.source.name, len(numbers)),
                    "part": pa.repeat(name, len(numbers)),
                    "steps": pa.array(_did(part), pa.string()),
                }
                columns = [made[n] if n in made else part.column(n) for n in ORIGIN.names]
                yield pa.RecordBatch.from_arrays(columns, schema=ORIGIN)


def _did(part: pa.RecordBatch) -> list[str]:
    """`did` for every row; most rows share what was done to them, in many parts all rows."""
    columns = [part.column(name) for name in _DONE]
    if all(column.null_count == len(column) for column in columns):
        return [did(dict.fromkeys(_DONE), [])] * part.num_rows
    rows = list(zip(*(column.to_pylist() for column in columns), strict=True))
    known = {cells: did(dict(zip(_DONE, cells, strict=True)), []) for cells in dict.fromkeys(rows)}
    return [known[cells] for cells in rows]


def losses(lanes: Lanes) -> Iterator[pa.RecordBatch]:
    """One line per lost record: id, source, step, reason, rows, twin and similarity for duplicates, origin."""
    for lane in lanes.lanes:
        for part, numbers in _parts(lane, _fates(lanes, lane), (LOST,), None):
            rows = zip(part.to_pylist(), numbers.tolist(), lane.ids(numbers), strict=True)
            lost = [_loss(lanes, lane, row, number, name) for row, number, name in rows]
            yield pa.RecordBatch.from_pylist(lost, LOSSES)


def _loss(lanes: Lanes, lane: Lane, row: dict[str, Any], number: int, name: str) -> dict[str, Any]:
    place = lane.start + number
    reason = REASONS[lanes.reason[place] - 1]
    step = row["step"] or STEP_OF[reason]
    twin = lanes.twin_of(place)
    words = f"lost: {reason}" + (f", twin {twin}" if twin else "") + (f" ({row['detail']})" if row["detail"] else "")
    last = {"step": step, "version": __version__, "did": words}
    return {
        "id": name, "source": lane.source.name, "step": step, "reason": reason, "rows": row["rows"],
        "twin": twin, "similarity": float(lanes.similarity[place]) if twin else None,
        "origin": {"file": row["file"], "position": row["position"]}, "detail": row["detail"],
        "text_sha1": row["text_sha1"], "steps": did(row, [last]),
        "preview": "\n".join(row["texts"])[:PREVIEW] or None,
    }  # fmt: skip


def sampled_rows(lanes: Lanes, lane: Lane) -> int:
    """Upstream rows that the recipe's mixture left out."""
    return int(lane.rows[_fates(lanes, lane) == SAMPLED].sum())
