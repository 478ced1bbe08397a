"""Where deduplication runs: on this machine (the default) or, through Daft, on a Ray cluster; the result is the same.

Signing and verifying are maps over rows and over parts of whole candidate components, by the very functions of the
local road; only the joining of candidates happens in this process (about 300 bytes per row, most of them on disk).
RAY_ADDRESS names a running cluster, which must see the output's folder under the same path; without it a local head is
started and stopped again.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from chimed import dedup
from chimed.dedup.assemble import Edges, assemble, gathered, joined, no_ids
from chimed.dedup.found import Found, exact_groups
from chimed.dedup.near import Batches, Candidates, Folded, Progress, candidate_parts, sign_all, verify_texts
from chimed.dedup.settings import NearSettings
from chimed.dedup.signing import Signed, permutations, sign
from chimed.dedup.sketches import Earlier, Released
from chimed.dedup.spill import Spill, fold
from chimed.errors import NetworkError, UsageError

Engine = Literal["local", "ray"]
_FILE_BYTES = 32 * 2**20
_EDGE = np.dtype([("pair", "<i8", 2), ("similarity", "<f8"), ("verified", "u1")])
_QUIET = {
    "DAFT_PROGRESS_BAR": "0", "DAFT_ANALYTICS_ENABLED": "0", "DO_NOT_TRACK": "true", "SCARF_NO_ANALYTICS": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
}  # fmt: skip


def finder(engine: Engine, method: str) -> Callable[..., Found]:
    """The function that finds duplicates by `method` (near, exact) on an engine.

    Raises UsageError for substring on Ray: its filter of seen passages is one table in one memory.
    """
    if engine == "ray" and method == "substring":
        raise UsageError("repeated substrings are found on this machine only: leave out --engine ray.")
    if engine == "ray":
        return near_on_ray if method == "near" else exact_on_ray
    return dedup.near if method == "near" else dedup.exact


def near_on_ray(
    batches: Batches, settings: NearSettings, work: Path, *, against: Released | None = None,
    progress: Progress | None = None,
) -> Found:  # fmt: skip
    """`chimed.dedup.near` on a Ray cluster: same arguments, same result."""
    tell = progress or (lambda done, total, words: None)
    earlier = Earlier(against) if against is not None else None
    staged = _stage(batches, earlier, work)
    released = earlier.rows if earlier else 0
    with _cluster() as daft, closing(Spill(work, settings.bands, settings.permutations)) as spill:
        rows = sign_all(_signed(daft, staged, settings, settings.permutations), spill, settings, released, tell)
        groups = exact_groups(rows.prints, rows.numbers, rows.shingles)
        candidates = candidate_parts(rows, groups, spill, settings, tell)
        edges = _verified(daft, staged, candidates, released, settings)
    shutil.rmtree(work)
    return assemble(rows, groups, edges, earlier.ids if earlier else no_ids)


def exact_on_ray(
    batches: Batches, settings: NearSettings, work: Path, *, against: Released | None = None,
    progress: Progress | None = None,
) -> Found:  # fmt: skip
    """`chimed.dedup.exact` on a Ray cluster: same arguments, same result."""
    earlier = Earlier(against) if against is not None else None
    staged = _stage(batches, earlier, work)
    with _cluster() as daft:
        found = [batch.signed for batch in _signed(daft, staged, settings, 0)]
    rows = gathered(found, settings, earlier.rows if earlier else 0)
    shutil.rmtree(work)
    groups = exact_groups(rows.prints, rows.numbers, rows.shingles)
    return assemble(rows, groups, joined([]), earlier.ids if earlier else no_ids)


@contextmanager
def tasks() -> Iterator[Callable[[Callable[..., Any], Iterable[tuple[Any, ...]]], Iterator[Any]]]:
    """A runner `run(function, calls)` that makes every call a Ray task and yields the results in any order.

    The folders that the calls name must be seen by all nodes under the same path.
    """
    with _cluster():
        import ray

        def run(function: Callable[..., Any], calls: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
            """Never more than twice as many calls under way as there are cores, so that memory stays bounded."""
            remote = ray.remote(function)
            most = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
            pending: list[Any] = []
            for call in calls:
                pending.append(remote.remote(*call))
                if len(pending) >= most:
                    done, pending = ray.wait(pending)
                    yield from ray.get(done)
            while pending:
                done, pending = ray.wait(pending)
                yield from ray.get(done)

        yield run


@contextmanager
def _cluster() -> Iterator[Any]:
    """Daft on the cluster of RAY_ADDRESS, or on a local head of our own that ends with the outermost block."""
    os.environ.update({name: value for name, value in _QUIET.items() if name not in os.environ})
    address = os.environ.get("RAY_ADDRESS")
    if address:
        _reach(address)
    else:
        # Without a token in the environment Ray would write one into the home directory.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    try:
        import daft
        import ray
    except ImportError as error:
        raise UsageError(f"--engine ray needs {error.name}: pip install 'qilin-chimed[ray]'.") from None
    if ray.is_initialized():
        yield daft
        return
    options = {} if address else {"num_cpus": os.cpu_count(), "include_dashboard": False}
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", **options)
        daft.set_runner_ray(noop_if_initialized=True)
        yield daft
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """Ask the cluster's port first: Ray itself tries for minutes. Raises NetworkError."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return  # auto, or a name that Ray resolves
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise NetworkError(f"RAY_ADDRESS={address}: {error}. Is the cluster running?") from None


def _stage(batches: Batches, earlier: Earlier | None, work: Path) -> str:
    """Write numbered texts as Parquet files that every worker can read; returns their pattern."""
    shutil.rmtree(work, ignore_errors=True)
    folder = work / "texts"
    folder.mkdir(parents=True)
    row, held, size, files = (
        0,
        [pa.table({"row": pa.array([], pa.int64()), "text": pa.array([], pa.large_string())})],
        0,
        0,
    )
    for batch in chain(earlier.batches() if earlier else (), batches()):
        text = batch.column("text").cast(pa.large_string()).fill_null("")
        held.append(pa.table({"row": np.arange(row, row + batch.num_rows), "text": text}))
        row, size = row + batch.num_rows, size + text.nbytes
        if size >= _FILE_BYTES:
            pq.write_table(pa.concat_tables(held), folder / f"{files:06d}.parquet", compression="zstd")
            held, size, files = held[:1], 0, files + 1
    if len(held) > 1 or not files:
        pq.write_table(pa.concat_tables(held), folder / f"{files:06d}.parquet", compression="zstd")
    return str(folder / "*.parquet")


def _packed(records: npt.NDArray[Any]) -> pa.Array:
    """Records of fixed width as a binary column: one type that no engine changes on the way."""
    offsets = np.arange(len(records) + 1, dtype=np.int64) * records.dtype.itemsize
    return pa.Array.from_buffers(
        pa.large_binary(), len(records), [None, pa.py_buffer(offsets), pa.py_buffer(records.tobytes())]
    )


def _unpacked(column: pa.Array, kind: np.dtype[Any]) -> npt.NDArray[Any]:
    return np.frombuffer(b"".join(column.to_pylist()), kind)


def _record(settings: NearSettings, count: int) -> np.dtype[Any]:
    bands = settings.bands if count else 0
    return np.dtype([
        ("prints", "<u8", (2,)), ("numbers", "<u8"), ("shingles", "<u4"), ("keys", "<u8", (bands,)),
        ("sketch", "u1", (count,)),
    ])  # fmt: skip


def _signed(daft: Any, staged: str, settings: NearSettings, count: int) -> Iterator[Folded]:
    """Sign on the cluster with `count` permutations; batches come back in the order of their rows."""
    kind = _record(settings, count)

    @daft.func.batch(return_dtype=daft.DataType.binary())
    def signing(texts: Any) -> pa.Array:
        found = sign(texts.to_arrow(), permutations(count))
        records = np.zeros(len(found.shingles), kind)
        records["prints"], records["numbers"], records["shingles"] = found.prints, found.numbers, found.shingles
        if count:
            keys, records["sketch"] = fold(found.signature, settings.bands, settings.rows)
            records["keys"] = keys.T
        return _packed(records)

    table = daft.read_parquet(staged)
    signed = table.select(table["row"], signing(table["text"]).alias("signed")).sort("row")
    for batch in signed.to_arrow_iter():
        rows = _unpacked(batch.column("signed"), kind)
        plain = Signed(rows["prints"], rows["numbers"], rows["shingles"], np.empty((0, 0), np.uint32))
        yield Folded(plain, np.ascontiguousarray(rows["keys"].T), np.ascontiguousarray(rows["sketch"]))


def _verified(daft: Any, staged: str, candidates: Candidates, released: int, settings: NearSettings) -> Edges:
    """Verify parts on the cluster, each where its rows are gathered."""

    @daft.func.batch(return_dtype=daft.DataType.binary())
    def verifying(rows: Any, texts: Any) -> pa.Array:
        numbers = rows.to_arrow().to_numpy()
        order = np.argsort(numbers)
        found = verify_texts(numbers[order], texts.to_arrow().take(pa.array(order)), released, settings)
        records = np.zeros(len(found.pairs) + len(found.loose), _EDGE)
        records["pair"] = np.concatenate([found.pairs, found.loose])
        records["similarity"][: len(found.pairs)], records["verified"][: len(found.pairs)] = found.similarity, 1
        return _packed(records)

    if not candidates.parts:
        return joined([])
    parts = daft.from_arrow(pa.table({"row": candidates.rows, "part": candidates.part}))
    table = parts.join(daft.read_parquet(staged), on="row")
    found = table.groupby("part").map_groups(verifying(table["row"], table["text"]).alias("edges")).sort("part")
    return joined(_edges(batch.column("edges")) for batch in found.to_arrow_iter())


def _edges(column: pa.Array) -> Edges:
    records = _unpacked(column, _EDGE)
    verified = records["verified"] == 1
    pairs = records["pair"].astype(np.int64)
    return Edges(pairs[verified], records["similarity"][verified].copy(), pairs[~verified])
