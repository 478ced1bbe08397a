"""Published sketches: signatures beside the data, for incremental deduplication and for anyone's datasketch.

One row per published row, in the order of the data (train, then validation). `signature` holds little-endian uint32:
`datasketch.MinHash(hashvalues=np.frombuffer(signature, "<u4"), permutations=permutations(k), scheme="affine32",
seed=1)`; the schema's metadata says all that a client needs to make comparable ones. Sketches that were made in any
other way are never compared: the release is signed again from its texts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from chimed.dedup import numbers
from chimed.dedup.normalise import tables
from chimed.dedup.settings import NearSettings
from chimed.dedup.signing import C5, SCHEME, SEED, SHINGLE, Signed, permutations, sign
from chimed.parquet import Shard, count_rows, read_batches, read_schema, write_one

FOLDER = "sketches"
_KEY = b"chimed.sketches"
_TEXTS = {"cpt": ("text",), "sft": ("messages",), "dpo": ("prompt", "chosen", "rejected")}
_COLUMNS = [
    ("id", pa.string()), ("fingerprint", pa.uint64()), ("fingerprint_low", pa.uint64()), ("numbers", pa.uint64()),
    ("shingles", pa.uint32()), ("signature", pa.binary()),
]  # fmt: skip


class Released(Protocol):
    """What is needed of an earlier release (`chimed.release.Release` has it)."""

    @property
    def path(self) -> Path:
        """Its folder."""

    @property
    def split(self) -> str:
        """cpt, sft or dpo."""

    def shards(self, part: str = "train") -> list[Path]:
        """The data files of a part, in order."""


def description(settings: NearSettings) -> dict[str, Any]:
    """All that signatures depend on; equal descriptions make them comparable."""
    table = tables()
    return {
        "scheme": SCHEME, "seed": SEED, "permutations": settings.permutations, "shingle": SHINGLE, "c5": list(C5),
        "normalisation": table.sha256, "unicode": table.unicode, "numbers": numbers.VERSION,
    }  # fmt: skip


def write_sketches(path: Path, batches: Iterable[pa.RecordBatch], settings: NearSettings) -> Shard:
    """Sign texts (`id`, `text`; of published rows see `compared`) and write their sketches as one Parquet file."""
    said = json.dumps(description(settings) | {"bands": settings.bands, "rows": settings.rows}, sort_keys=True)
    schema = pa.schema(_COLUMNS).with_metadata({_KEY: said.encode()})
    return write_one(path, (_sketched(batch, settings, schema) for batch in batches), schema)


def _sketched(batch: pa.RecordBatch, settings: NearSettings, schema: pa.Schema) -> pa.RecordBatch:
    signed = sign(batch.column("text"), permutations(settings.permutations))
    width = 4 * settings.permutations
    offsets = np.arange(0, (batch.num_rows + 1) * width, width, dtype=np.int32)
    data = pa.py_buffer(np.ascontiguousarray(signed.signature, "<u4"))
    signature = pa.Array.from_buffers(pa.binary(), batch.num_rows, [None, pa.py_buffer(offsets), data])
    prints = (np.ascontiguousarray(half) for half in signed.prints.T)
    return pa.RecordBatch.from_arrays(
        [batch.column("id"), *prints, signed.numbers, signed.shingles, signature], schema=schema
    )


def compared(batch: pa.RecordBatch, split: str) -> pa.RecordBatch:
    """`id` and compared text of published rows: the text, or the contents of all messages joined by newlines."""
    if split == "cpt":
        return pa.RecordBatch.from_arrays([batch.column("id"), batch.column("text")], ["id", "text"])
    parts = [_contents(batch.column(name)) for name in _TEXTS[split]]
    return pa.RecordBatch.from_arrays(
        [batch.column("id"), pc.binary_join_element_wise(*parts, pa.scalar("\n", pa.large_string()))], ["id", "text"]
    )


def _contents(messages: pa.Array) -> pa.Array:
    content = pc.struct_field(messages.flatten(), "content").cast(pa.string())
    lengths = pc.list_value_length(messages).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pc.binary_join(pa.ListArray.from_arrays(offsets, content), "\n").cast(pa.large_string())


class Earlier:
    """The rows of an earlier release, as `near` and `exact` take them: before all new rows, never lost."""

    def __init__(self, release: Released) -> None:
        self._release = release
        self._shards = [shard for part in ("train", "validation") for shard in release.shards(part)]
        self._sketches = sorted((release.path / FOLDER).glob("part-*.parquet"))
        self.rows = _rows(self._shards)

    def signed(self, settings: NearSettings) -> Iterator[Signed]:
        """Signatures of its rows: the published ones where they are comparable, else made from the texts."""
        ab = permutations(settings.permutations)
        if not self._comparable(settings):
            for batch in self.batches():
                yield sign(batch.column("text"), ab)
            return
        for batch in chain.from_iterable(read_batches(path) for path in self._sketches):
            column = {name: batch.column(name) for name, _ in _COLUMNS}
            raw = b"".join(column["signature"].to_pylist())
            yield Signed(
                np.stack([column["fingerprint"].to_numpy(), column["fingerprint_low"].to_numpy()], axis=1),
                column["numbers"].to_numpy(),
                column["shingles"].to_numpy(),
                np.frombuffer(raw, "<u4").reshape(-1, settings.permutations),
            )

    def _comparable(self, settings: NearSettings) -> bool:
        if not self._sketches or _rows(self._sketches) != self.rows:
            return False
        wanted = description(settings)
        for path in self._sketches:
            said = json.loads((read_schema(path).metadata or {}).get(_KEY, b"{}"))
            if {name: said.get(name) for name in wanted} != wanted:
                return False
        return True

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Ids and compared texts of its rows, in the same order."""
        columns = ["id", *_TEXTS[self._release.split]]
        for shard in self._shards:
            for batch in read_batches(shard, columns):
                yield compared(batch, self._release.split)

    def ids(self, rows: npt.NDArray[np.int64]) -> dict[int, str]:
        """The ids of some of its rows (ascending numbers)."""
        found: dict[int, str] = {}
        start = 0
        for batch in chain.from_iterable(read_batches(shard, ["id"]) for shard in self._shards if rows.size):
            low, high = np.searchsorted(rows, [start, start + batch.num_rows])
            names = batch.column(0).take(pa.array(rows[low:high] - start)).to_pylist()
            found.update(zip(rows[low:high].tolist(), names, strict=True))
            start += batch.num_rows
        return found


def _rows(paths: Iterable[Path]) -> int:
    return sum(map(count_rows, paths))
