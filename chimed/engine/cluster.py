"""A Ray cluster: the one that RAY_ADDRESS names, or a local head of our own; and texts laid out for its workers.

A cluster must see the folders that it is given under the same path.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from chimed.dedup.near import Batches
from chimed.dedup.sketches import Earlier
from chimed.errors import NetworkError, UsageError

_FILE_BYTES = 32 * 2**20
_QUIET = {
    "DAFT_PROGRESS_BAR": "0", "DAFT_ANALYTICS_ENABLED": "0", "DO_NOT_TRACK": "true", "SCARF_NO_ANALYTICS": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
}  # fmt: skip


@contextmanager
def tasks() -> Iterator[Callable[[Callable[..., Any], Iterable[tuple[Any, ...]]], Iterator[Any]]]:
    """A runner `run(function, calls)` that makes every call a Ray task and yields the results in any order.

    The folders that the calls name must be seen by all nodes under the same path.
    """
    with cluster():
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
def cluster() -> Iterator[Any]:
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


def stage(batches: Batches, earlier: Earlier | None, work: Path) -> str:
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
