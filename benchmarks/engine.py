"""The same deduplication on this machine and on a local Ray head: wall time, CPU, and whether every byte is the same.

    python benchmarks/engine.py [--megabytes 100] [--write]

Each run is the command `chimed dedup` in a process of its own, start-up included; CPU counts all its processes where
the system still knows them (Ray's workers end with the head, so theirs are read from the kernel's totals).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

from corpora import CACHE, prepared_only
from dedup import HERE, machine


def busy() -> float:
    """CPU seconds that the whole machine has spent so far."""
    fields = Path("/proc/stat").read_text(encoding="utf-8").splitlines()[0].split()[1:]
    return (sum(map(int, fields)) - int(fields[3]) - int(fields[4])) / 100


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--write", action="store_true", help="into benchmarks/results/engine.md")
    given = parser.parse_args()
    source = prepared_only(given.megabytes, 1)
    lines = [
        "| engine | wall s | dedup s | machine's CPU s | rows kept | sha256 of kept, lost |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for engine in ("local", "ray"):
        out = CACHE / f"engine-{engine}.parquet"
        started, before = time.monotonic(), busy()
        done = subprocess.run(
            [sys.executable, "-c", "from chimed.cli import main; main()", "dedup", source, "--out", out, "--engine", engine,
             "--json"], capture_output=True, text=True, check=True,
        )  # fmt: skip
        facts = json.loads(done.stdout)
        digests = ", ".join(digest(path) for path in (out, out.with_name(f"{out.name}.lost.parquet")))
        lines.append(
            f"| {engine} | {time.monotonic() - started:.1f} | {facts['seconds']:.1f} | {busy() - before:.1f} | "
            f"{facts['kept']:,} | {digests} |"
        )
    text = "\n".join(
        ["## Engines", "", machine(), "", f"`python benchmarks/engine.py --megabytes {given.megabytes:g}`", "", *lines]
    )
    print(text)
    if given.write:
        (HERE / "results" / "engine.md").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
