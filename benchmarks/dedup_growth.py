"""Near duplicates from Parquet to Parquet, on one to eight corpora and on twelve million rows; run by dedup.py.

python benchmarks/dedup_growth.py OUT.parquet IN.parquet…     # one run: what it counted, CPU seconds, peak memory
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import corpus
from corpora import CACHE, bytes_of, prepared_only


def one(out: Path, paths: list[Path]) -> dict[str, Any]:
    """The facts of a run in a process of its own."""
    done = subprocess.run([sys.executable, __file__, out, *paths], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def growth(megabytes: float, steps: tuple[int, ...] = (1, 2, 4, 8)) -> list[str]:
    """Whole runs, Parquet to Parquet, on one to eight such corpora."""
    parts = [prepared_only(megabytes, seed) for seed in range(1, max(steps) + 1)]
    lines = [
        "| MB of text | rows | CPU s | MB/s | wall s | peak MB | start MB |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for step in steps:
        out = CACHE / "growth.parquet"
        facts = one(out, parts[:step])
        size = sum(bytes_of(part) for part in parts[:step])
        lines.append(
            f"| {size / 1e6:.0f} | {facts['read']:,} | {facts['cpu']:.1f} | {size / 1e6 / facts['cpu']:.1f} | "
            f"{facts['seconds']:.1f} | {facts['peak_mb']:.0f} | {facts['start_mb']:.0f} |"
        )
        print(lines[-1], file=sys.stderr)
    return lines


def large(rows: int = 12_000_000, sizes: tuple[int, ...] = (33, 300)) -> list[str]:
    """As many rows as the paper's SFT data, of a line and of its size (11 GB; takes an hour of disk and patience)."""
    lines = ["| rows | GB of text | CPU s | wall s | peak MB | kept |", "|---:|---:|---:|---:|---:|---:|"]
    for characters in sizes:
        path, out = CACHE / "large.parquet", CACHE / "large-out.parquet"
        corpus.write_large(path, rows, characters)
        facts = one(out, [path])
        lines.append(
            f"| {facts['read']:,} | {rows * characters * 3 / 1e9:.1f} | {facts['cpu']:.0f} | {facts['seconds']:.0f} | "
            f"{facts['peak_mb']:.0f} | {facts['kept']:,} |"
        )
        path.unlink()
        out.unlink()
    return lines


def peak() -> float:
    """Peak memory in MB; not ru_maxrss: that one begins with what the parent process held."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def cpu() -> float:
    """Seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(out: Path, paths: list[Path]) -> None:
    """The run itself."""
    from chimed.dedup import NearSettings
    from chimed.dedup.files import Job, deduplicate

    start, before = peak(), cpu()
    facts = deduplicate(Job(paths, out), "near", NearSettings())
    print(json.dumps(facts | {"cpu": cpu() - before, "peak_mb": peak(), "start_mb": start}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(word) for word in sys.argv[2:]])
