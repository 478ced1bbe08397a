"""Deduplication beside its peers, on one generated corpus with planted truth, in one run.

    python benchmarks/dedup.py --setup                      # environments for the peers that need their own
    python benchmarks/dedup.py [--megabytes 100] [--tools a,b] [--sections near,substring,growth] [--write]

Prints, per tool: MB per CPU-second (UTF-8 of the texts, one process, start-up and compiling excluded), peak memory,
recall (removable rows removed), precision (removed rows that have a copy at all), components of which nothing is left,
and what ours is to it. Then repeated substrings beside a suffix array, and the growth from 1x to 8x the data, reading
and writing Parquet. `--write` puts the tables into benchmarks/results/.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from corpora import CACHE, prepared, prepared_only
from dedup_growth import growth, large
from dedup_substring import substrings
from peers import TOOLS
from timing import processor

HERE = Path(__file__).resolve().parent
OWN = {
    "datatrove": [["datatrove==0.10.1", "pyarrow", "xxhash<4", "regex", "nltk", "orjson", "tokenizers", "loguru"]],
    # without what only its other commands need (Spark, TensorFlow)
    "text-dedup": [
        ["--no-deps", "text-dedup==0.4.0"],
        ["click<9", "click-option-group<0.6", "datasets>=5,<6", "ftfy", "psutil", "regex", "rich<14", "scipy", "xxhash",
         "tqdm", "zstandard", "bitarray", "pyarrow", "pybloom-live"],
    ],
}  # fmt: skip
ROUNDS, LONG = 3, 15.0
SHARED = ("datasketch", "rensa", "daft", "pydivsufsort", "numpy", "numba", "pyarrow")


def setup() -> None:
    """One environment per peer that cannot share ours, below the cache folder."""
    for name, installs in OWN.items():
        subprocess.run([sys.executable, "-m", "venv", CACHE / name], check=True)
        for packages in installs:
            subprocess.run([CACHE / name / "bin" / "pip", "install", "--quiet", *packages], check=True)
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "rensa", "pydivsufsort", "xxhash"], check=True)


def run(tool: str, path: Path) -> dict[str, Any] | None:
    """One tool in a process of its own; None where it is not installed."""
    python = CACHE / tool / "bin" / "python" if tool in OWN else Path(sys.executable)
    out = CACHE / "result.json"
    if not python.exists():
        return None
    done = subprocess.run(
        [python, HERE / "peers.py", tool, path, out], capture_output=True, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    if done.returncode:
        print(f"{tool}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return json.loads(out.read_text(encoding="utf-8"))


def score(removed: list[int], root: list[int]) -> dict[str, float]:
    """Recall and precision in percent, and components of which no row is left."""
    sizes, gone = Counter(root), Counter(root[row] for row in removed)
    removable = sum(size - 1 for size in sizes.values())
    hits = sum(min(n, sizes[r] - 1) for r, n in gone.items())
    justified = sum(n for r, n in gone.items() if sizes[r] > 1)
    return {
        "recall": 100 * hits / removable,
        "precision": 100 * justified / max(1, len(removed)),
        "lost": sum(n == sizes[r] for r, n in gone.items()),
    }


def rounds(path: Path, tools: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Runs of every tool in turn: three rounds, but one alone for a tool that takes longer than LONG."""
    runs: dict[str, list[dict[str, Any]]] = {tool: [] for tool in tools}
    for number in range(ROUNDS):
        for tool in tools:
            if number and not (runs[tool] and runs[tool][0]["cpu"] < LONG):
                continue
            facts = run(tool, path)
            if facts is not None:
                runs[tool].append(facts)
                print(f"round {number + 1}, {tool}: {facts['cpu']:.2f} CPU s", file=sys.stderr)
    return runs


def beside_peers(path: Path, root: list[int], tools: list[str]) -> list[str]:
    """The table of tools; CPU seconds are the median of their rounds."""
    size = sum(len(text.encode()) for text in pq.read_table(path, columns=["plain"])["plain"].to_pylist()) / 1e6
    lines = [
        "| | CPU s (runs) | MB/s | ours / it | added MB | peak MB | recall % | precision % | components lost |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    first = None
    for tool, runs in rounds(path, tools).items():
        if not runs:
            lines.append(f"| {tool} | not installed | | | | | | | |")
            continue
        seconds = statistics.median(facts["cpu"] for facts in runs)
        added, most = (max(facts[name] for facts in runs) for name in ("added_mb", "peak_mb"))
        first = first or seconds
        found = score(runs[0]["removed"], root)
        lines.append(
            f"| {tool} | {seconds:.2f} ({len(runs)}) | {size / seconds:.2f} | {seconds / first:.1f} | {added:.0f} | "
            f"{most:.0f} | {found['recall']:.2f} | {found['precision']:.2f} | {found['lost']} |"
        )
    return [f"{len(root):,} texts, {size:.1f} MB, {len(root) - len(set(root)):,} of them removable.", "", *lines]


def machine() -> str:
    """Processor, cores, Python and the versions of what was run."""
    found = []
    for name in SHARED:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    pins = (word for name, installs in OWN.items() if (CACHE / name).exists() for word in installs[0] if "==" in word)
    own = ", ".join(pin.replace("==", " ") for pin in pins)
    return (
        f"{processor()}, {os.cpu_count()} cores, shared; Python {platform.python_version()}, {', '.join(found)}, {own}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--setup", action="store_true")
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--tools", default=",".join(TOOLS))
    parser.add_argument("--sections", default="near,substring,growth")
    parser.add_argument("--write", action="store_true", help="into benchmarks/results/dedup-*.md")
    given = parser.parse_args()
    if given.setup:
        return setup()
    sections = {
        "near": (
            "Near duplicates, texts in memory",
            lambda: beside_peers(*prepared(given.megabytes), given.tools.split(",")),
        ),
        "substring": ("Repeated substrings, texts in memory", lambda: substrings(prepared_only(given.megabytes, 1))),
        "large": ("Twelve million rows, near duplicates from Parquet to Parquet", large),
        "growth": ("Growth: near duplicates from Parquet to Parquet", lambda: growth(given.megabytes)),
    }
    for name in given.sections.split(","):
        title, measure = sections[name]
        command = f"`python benchmarks/dedup.py --megabytes {given.megabytes:g} --sections {name}`"
        text = "\n".join([f"## {title}", "", machine(), "", command, "", *measure()]) + "\n"
        print(text)
        if given.write:
            (HERE / "results" / f"dedup-{name}.md").write_text(text, encoding="utf-8")
    return None


if __name__ == "__main__":
    main()
