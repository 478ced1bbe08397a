"""The generated corpora that the measurements share, kept in the cache folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

import corpus
import pyarrow.compute as pc
import pyarrow.parquet as pq

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chimed" / "benchmarks"


def prepared(megabytes: float, seed: int = 1) -> tuple[Path, list[int]]:
    """The corpus and its truth, from the cache if they were made before."""
    CACHE.mkdir(parents=True, exist_ok=True)
    path, known = CACHE / f"corpus-{megabytes:g}-{seed}.parquet", CACHE / f"truth-{megabytes:g}-{seed}.json"
    if not path.exists():
        corpus.write(path.with_suffix(".part"), megabytes, seed)
        path.with_suffix(".part").replace(path)
    if not known.exists():
        table = pq.read_table(path, columns=["plain", "family"])
        root = corpus.truth(table["plain"].to_pylist(), table["family"].to_pylist())
        known.write_text(json.dumps(root), encoding="utf-8")
    return path, json.loads(known.read_text(encoding="utf-8"))


def prepared_only(megabytes: float, seed: int) -> Path:
    """A corpus of ids and texts alone, without truth."""
    path = CACHE / f"texts-{megabytes:g}-{seed}.parquet"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        corpus.write(path.with_suffix(".part"), megabytes, seed, columns=2)
        path.with_suffix(".part").replace(path)
    return path


def bytes_of(path: Path) -> int:
    """UTF-8 bytes of the column `text`."""
    return pc.sum(pc.binary_length(pq.read_table(path, columns=["text"])["text"])).as_py()
