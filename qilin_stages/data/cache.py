"""Tokenised and packed rows on disk, keyed by content: data, tokenizer, template, cuts and packing.

A folder appears under its key only when it is complete; the first process that needs it builds it, others wait.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chimed.errors import DataError
from qilin_stages.data.cuts import IGNORED
from qilin_stages.data.packing import gather, spans
from qilin_stages.data.split import Data, cache_folder
from qilin_stages.data.template import Tokenizer
from qilin_stages.data.tokens import Preparation, learns, refuse_all_cut, tokenise

VERSION = 1
Progress = Callable[..., None]


@dataclass(frozen=True)
class Prepared:
    """Where the prepared rows lie, and what was counted: rows, sequences, tokens, supervised, cuts, longest."""

    folder: Path
    counts: dict[str, int]
    key: str

    def file(self, part: str) -> Path | None:
        """The Arrow file of `train` or `validation`; None where the part has no rows."""
        path = self.folder / f"{part}.arrow"
        return path if path.is_file() else None


def key_of(data: Data, tok: Tokenizer, how: Preparation) -> str:
    """The cache key of a preparation."""
    facts = [VERSION, data.content_sha256, tok.sha256, tok.template_sha256, tok.config.get("eos_token"), asdict(how)]
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def prepare(data: Data, tok: Tokenizer, how: Preparation, progress: Progress = lambda *_: None) -> Prepared:
    """The prepared rows, from the cache or built into it."""
    key = key_of(data, tok, how)
    folder = cache_folder() / "tokens" / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / f"{key}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "counts.json").is_file():
            _build(data, tok, how, folder, progress)
    counts = json.loads((folder / "counts.json").read_text(encoding="utf-8"))
    return Prepared(folder, counts, key)


def _build(data: Data, tok: Tokenizer, how: Preparation, folder: Path, progress: Progress) -> None:
    work = folder.with_suffix(".part")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    counts = _part(data, tok, how, work, "train", progress)
    refuse_all_cut(data.named, counts, how)
    if data.release.shards("validation") or how.held_out:
        _part(data, tok, how, work, "validation", progress)
    (work / "counts.json").write_text(json.dumps(counts), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    work.rename(folder)


def _rows(data: Data, tok: Tokenizer, how: Preparation, part: str, progress: Progress) -> Iterator[dict[str, Any]]:
    """Tokenised rows of a part; without a published validation part a share is held out by the hash of the id."""
    own = bool(data.release.shards("validation"))
    total, done = data.rows("train" if not own else part), 0
    for batch in data.batches(part if own else "train"):
        for row in tokenise(tok, batch, how):
            if own or _held_out(row["id"], how.held_out) == (part == "validation"):
                yield row
        done += len(batch["id"])
        progress(done, total, "tokenising")


def _held_out(name: str, share: float) -> bool:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big") < share * 2**48


def _part(data: Data, tok: Tokenizer, how: Preparation, work: Path, part: str, progress: Progress) -> dict[str, int]:
    counts = dict.fromkeys("rows sequences tokens supervised longest cut_rows cut_tokens dropped_turns empty_rows"
                           .split(), 0)  # fmt: skip
    rows = _counted(_rows(data, tok, how, part, progress), counts)
    if how.split == "dpo" or how.seq2seq:
        _write_plain(rows, work / f"{part}.arrow", how, counts)
    else:
        _write_packed(rows, work, part, how, counts)
    return counts


def _counted(rows: Iterator[dict[str, Any]], counts: dict[str, int]) -> Iterator[dict[str, Any]]:
    for row in rows:
        counts["rows"] += 1
        counts["cut_rows"] += bool(row["lost"] or row["dropped"])
        counts["cut_tokens"] += row.pop("lost")
        counts["dropped_turns"] += row.pop("dropped")
        if learns(row):
            yield row
        else:
            counts["empty_rows"] += 1


def _batched(rows: Iterator[dict[str, Any]], size: int = 1000) -> Iterator[list[dict[str, Any]]]:
    held: list[dict[str, Any]] = []
    for row in rows:
        held.append(row)
        if len(held) == size:
            yield held
            held = []
    if held:
        yield held


def _write(path: Path, schema: Any, batches: Iterator[Any]) -> None:
    import pyarrow as pa

    writer = None
    for batch in batches:
        writer = writer or pa.ipc.new_stream(path, schema)
        writer.write_batch(batch)
    if writer is not None:
        writer.close()


def _write_plain(rows: Iterator[dict[str, Any]], path: Path, how: Preparation, counts: dict[str, int]) -> None:
    """Rows as they are: pairs, or an encoder's and a decoder's side."""
    import pyarrow as pa

    names = ("prompt", "chosen", "rejected") if how.split == "dpo" else ("input_ids", "labels")
    schema = pa.schema([("id", pa.string()), *((name, pa.list_(pa.int32())) for name in names)])

    def batches() -> Iterator[Any]:
        for group in _batched(rows):
            for row in group:
                lengths = [len(row[name]) for name in names]
                counts["sequences"] += 1
                counts["tokens"] += sum(lengths) + (lengths[0] if how.split == "dpo" else 0)
                counts["supervised"] += sum(lengths[1:])
                counts["longest"] = max(counts["longest"], max(lengths[1:]) + lengths[0])
            yield pa.RecordBatch.from_pylist(group, schema)

    _write(path, schema, batches())


def _write_packed(rows: Iterator[dict[str, Any]], work: Path, part: str, how: Preparation,
                  counts: dict[str, int]) -> None:  # fmt: skip
    """Rows first as they come into a scratch file, then packed from it; memory holds lengths, not tokens."""
    import pyarrow as pa

    scratch, int32s = work / f"{part}.rows", pa.list_(pa.int32())
    schema = pa.schema([("id", pa.string()), ("input_ids", int32s), ("labels", int32s)])
    _write(scratch, schema, (pa.RecordBatch.from_pylist(group, schema) for group in _batched(rows)))
    if not scratch.is_file():
        return
    with pa.memory_map(str(scratch)) as source:
        table = pa.ipc.open_stream(source).read_all()
        _write(work / f"{part}.arrow", _PACKED(), _packed(table, how, counts))
        del table
    scratch.unlink()


def _PACKED() -> Any:
    import pyarrow as pa

    int32s = pa.list_(pa.int32())
    return pa.schema(
        [("ids", pa.list_(pa.string())), ("input_ids", int32s), ("labels", int32s), ("lengths", int32s)]
    )  # fmt: skip


def _flat(column: Any) -> tuple[Any, Any]:
    """Values and offsets of a chunked list column (large offsets, so that it may pass 2^31 tokens)."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    lengths = pc.list_value_length(column).to_numpy().astype(np.int64)
    values = pa.chunked_array([chunk.flatten() for chunk in column.chunks]).to_numpy()
    return values, np.concatenate([[0], np.cumsum(lengths)])


def _packed(table: Any, how: Preparation, counts: dict[str, int]) -> Iterator[Any]:
    import numpy as np
    import pyarrow as pa

    tokens, offsets = _flat(table["input_ids"])
    labels, _ = _flat(table["labels"])
    names = table["id"].to_pylist()
    plan = spans(np.diff(offsets).tolist(), how.block, how.packing)
    for start in range(0, len(plan), 256):
        rows = plan[start : start + 256]
        ids, row_offsets, lengths = gather(tokens, offsets, rows)
        learnt, _, _ = gather(labels, offsets, rows)
        if how.packing == "wrapped":
            lengths, pieces = np.diff(row_offsets).astype(np.int32), np.arange(len(rows) + 1)
        else:
            pieces = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
        learnt = learnt.copy()
        learnt[np.concatenate([[0], np.cumsum(lengths)[:-1]])] = IGNORED
        counts["sequences"] += len(rows)
        counts["tokens"] += len(ids)
        counts["supervised"] += int((learnt != IGNORED).sum())
        counts["longest"] = max(counts["longest"], int(np.diff(row_offsets).max()))
        yield pa.RecordBatch.from_arrays(
            [
                pa.array([list(dict.fromkeys(names[piece[0]] for piece in row)) for row in rows]),
                _lists(row_offsets, ids),
                _lists(row_offsets, learnt),
                _lists(pieces, lengths),
            ],
            schema=_PACKED(),
        )


def _lists(offsets: Any, values: Any) -> Any:
    import pyarrow as pa

    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values, pa.int32()))


def dataset(path: Path | None) -> Any:
    """A part as datasets.Dataset, memory-mapped."""
    from datasets import Dataset

    if path is None:
        return None
    try:
        return Dataset.from_file(str(path))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: the cached rows cannot be read ({error}). Delete them and run again.") from None
