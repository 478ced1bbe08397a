"""The facts of every source that the manifest states: sizes, lengths, licences, repairs, what each step changed."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from chimed import staging
from chimed.build.inputs import Input
from chimed.build.lanes import TRAIN, VALIDATION, Lane, Lanes, joined_texts
from chimed.ledger import Account, ordered
from chimed.release import SourceEntry, UpstreamFile

Counts = dict[str, dict[str, int]]
_MEASURED = ["texts", "license", "repairs", "cleaned", "masked", "flags"]


def source_entries(
    inputs: list[Input], files: dict[str, list[UpstreamFile]], lanes: Lanes, ledger: list[Account], counts: Counts
) -> list[SourceEntry]:
    """The manifest's entry of every source, in rank order; `counts` are its rows per part."""
    return [
        _entry(item, files[item.source.name], _measure(lane, lanes), account, counts[item.source.name])
        for item, lane, account in zip(inputs, lanes.lanes, ledger, strict=True)
    ]


def _entry(
    item: Input, files: list[UpstreamFile], facts: dict[str, Any], account: Account, counts: dict[str, int]
) -> SourceEntry:
    source = item.source
    return SourceEntry(
        source=source.name, home=source.home, license=source.license, redistributable=source.redistributable,
        attribution=source.attribution, notice=source.notice, revision=source.revision, domain=source.domain,
        kind=source.kind, files=files, read=account.read, kept=account.kept, records=account.records,
        lost=ordered(account.lost), sampled=account.sampled, train=counts["train"], validation=counts["validation"],
        **facts,
    )  # fmt: skip


def _measure(lane: Lane, lanes: Lanes) -> dict[str, Any]:
    """One pass over the kept rows of a source."""
    size = chars = 0
    lengths = np.zeros(0, np.int64)
    licenses: Counter[str] = Counter()
    repairs: Counter[str] = Counter()
    steps: dict[str, Counter[str]] = {"clean": Counter(), "mask": Counter(), "quality": Counter()}
    start = lane.start
    for part in staging.read_parts(lane.parts, _MEASURED):
        here = np.flatnonzero(np.isin(lanes.fate[start : start + part.num_rows], (TRAIN, VALIDATION)))
        start += part.num_rows
        kept = part if len(here) == part.num_rows else part.take(pa.array(here))
        texts = kept.column("texts").flatten()
        size += pc.sum(pc.binary_length(texts)).as_py() or 0
        chars += pc.sum(pc.utf8_length(texts)).as_py() or 0
        lengths = _added(lengths, _bins(pc.utf8_length(joined_texts(kept.column("texts")))))
        licenses.update(_counts(kept.column("license")))
        repairs.update(_words(kept.column("repairs")))
        _count_steps(kept, steps)
    return {
        "text_bytes": size, "text_chars": chars, "lengths": lengths.tolist(), "licenses": _sorted(licenses),
        "repairs": _sorted(repairs), "steps": {name: _sorted(counter) for name, counter in steps.items() if counter},
    }  # fmt: skip


def _bins(lengths: pa.Array) -> Any:
    """How many lengths lie in [2^i, 2^(i+1))."""
    values = np.maximum(lengths.to_numpy(), 1)
    return np.bincount(np.log2(values).astype(np.int64)) if len(values) else np.zeros(0, np.int64)


def _added(first: Any, second: Any) -> Any:
    total = np.zeros(max(len(first), len(second)), np.int64)
    total[: len(first)] += first
    total[: len(second)] += second
    return total


def _count_steps(kept: pa.RecordBatch, steps: dict[str, Counter[str]]) -> None:
    steps["clean"].update(_words(kept.column("cleaned")))
    steps["quality"].update(_words(kept.column("flags")))
    for cell, times in _counts(kept.column("masked")).items():
        for word, count in json.loads(cell).items():
            steps["mask"][word] += count * times


def _words(column: pa.Array) -> Counter[str]:
    """How often each word stands in a column of comma-separated words."""
    total: Counter[str] = Counter()
    for cell, times in _counts(column).items():
        for word in cell.split(","):
            total[word] += times
    return total


def _counts(column: pa.Array) -> dict[str, int]:
    """How often each value stands in a column; nulls do not count."""
    pairs = pc.value_counts(column.drop_null()).to_pylist()
    return {pair["values"]: pair["counts"] for pair in pairs}


def _sorted(counter: Counter[str]) -> dict[str, int]:
    return dict(sorted(counter.items()))
