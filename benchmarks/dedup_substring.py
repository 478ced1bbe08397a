"""Repeated substrings: ours beside a suffix array with common prefixes; run by dedup.py.

python benchmarks/dedup_substring.py chimed|pydivsufsort TEXTS.parquet LENGTH     # one run: CPU seconds, places
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq


def substrings(path: Path, length: int = 50) -> list[str]:
    """Places where a window of `length` characters stood before: ours and a suffix array with common prefixes."""
    size = sum(len(text.encode()) for text in pq.read_table(path, columns=["text"])["text"].to_pylist()) / 1e6
    lines = ["| | CPU s | MB/s | ours / it | peak MB | places |", "|---|---:|---:|---:|---:|---:|"]
    first, places = None, set()
    for tool in ("chimed", "pydivsufsort"):
        done = subprocess.run(
            [sys.executable, __file__, tool, path, str(length)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            print(done.stderr, file=sys.stderr)
            continue
        facts = json.loads(done.stdout)
        first = first or facts["cpu"]
        places.add((facts["n"], facts["sum"]))
        lines.append(
            f"| {tool} | {facts['cpu']:.2f} | {size / facts['cpu']:.1f} | {facts['cpu'] / first:.1f} | "
            f"{facts['peak_mb']:.0f} | {facts['n']:,} |"
        )
    said = "The places are the same." if len(places) == 1 else f"The places differ: {sorted(places)}."
    return [f"Windows of {length} characters. {said}", "", *lines]


def ours(texts: list[str], length: int) -> npt.NDArray[np.int64]:
    """Places by chimed."""
    from chimed.dedup.substring import SubstringSettings, repeated_places

    table = pa.table({"text": pa.array(texts, pa.large_string())})
    with tempfile.TemporaryDirectory() as work:
        size = sum(map(len, texts)) * 3
        return repeated_places(
            lambda: iter(table.to_batches(max_chunksize=8192)), SubstringSettings(length), Path(work) / "w", size
        )


def suffixes(texts: list[str], length: int) -> npt.NDArray[np.int64]:
    """Places by a suffix array."""
    from pydivsufsort import divsufsort, kasai

    # Separators are symbols of their own, so that no match goes across texts.
    symbols = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32).astype(np.int64)
    ends = np.cumsum([len(t) for t in texts])
    whole = np.insert(symbols, ends, -1)
    values, ranks = np.unique(whole, return_inverse=True)
    array = ranks.astype(np.uint16)
    order = divsufsort(array)
    common = kasai(array, order)
    left = np.empty(len(array), np.int64)
    place = np.append(ends + np.arange(len(ends)), len(array))
    left = place[np.searchsorted(place, np.arange(len(array)))] - np.arange(len(array))
    long = np.minimum(common[:-1], np.minimum(left[order[:-1]], left[order[1:]])) >= length
    group = np.cumsum(np.concatenate([[True], ~long]))
    lowest = np.minimum.reduceat(order, np.flatnonzero(np.concatenate([[True], ~long])))
    again = order[order != lowest[group - 1]]
    again.sort()
    return again - np.searchsorted(ends + np.arange(len(ends)), again)


def cpu() -> float:
    """Seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(tool: str, path: Path, length: int) -> None:
    """The run itself, after a short one for start-up and compiling."""
    texts = pq.read_table(path, columns=["text"])["text"].to_pylist()
    work = {"chimed": ours, "pydivsufsort": suffixes}[tool]
    work(texts[:200], length)
    before = cpu()
    found = work(texts, length)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu": cpu() - before, "n": len(found), "sum": int(np.sum(found)), "peak_mb": peak}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
