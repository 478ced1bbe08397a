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
import subprocess
import sys
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import corpus
import pyarrow.parquet as pq
from peers import TOOLS

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chimed" / "benchmarks"
OWN = {"datatrove": ["datatrove==0.10.1", "pyarrow", "xxhash<4", "regex", "nltk", "orjson", "tokenizers", "loguru"]}
SHARED = ("datasketch", "rensa", "daft", "pydivsufsort", "numpy", "numba", "pyarrow")


def setup() -> None:
    """One environment per peer that cannot share ours, below the cache folder."""
    for name, packages in OWN.items():
        subprocess.run([sys.executable, "-m", "venv", CACHE / name], check=True)
        subprocess.run([CACHE / name / "bin" / "pip", "install", "--quiet", *packages], check=True)
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "rensa", "pydivsufsort", "xxhash"], check=True)


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


def run(tool: str, path: Path) -> dict[str, float] | None:
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


def beside_peers(path: Path, root: list[int], tools: list[str]) -> list[str]:
    """The table of tools."""
    size = sum(len(text.encode()) for text in pq.read_table(path, columns=["plain"])["plain"].to_pylist()) / 1e6
    lines = [
        "| | CPU s | MB/s | ours / it | added MB | peak MB | recall % | precision % | components lost |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    first = None
    for tool in tools:
        facts = run(tool, path)
        if facts is None:
            lines.append(f"| {tool} | not installed | | | | | | | |")
            continue
        first = first or facts["cpu"]
        found = score(facts["removed"], root)
        lines.append(
            f"| {tool} | {facts['cpu']:.2f} | {size / facts['cpu']:.2f} | {facts['cpu'] / first:.1f} | "
            f"{facts['added_mb']:.0f} | {facts['peak_mb']:.0f} | {found['recall']:.2f} | {found['precision']:.2f} | "
            f"{found['lost']} |"
        )
        print(lines[-1], file=sys.stderr)
    return [f"{len(root):,} texts, {size:.1f} MB, {len(root) - len(set(root)):,} of them removable.", "", *lines]


SUBSTRING = """
import json, resource, sys, tempfile
from pathlib import Path
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
tool, path, length = sys.argv[1], sys.argv[2], int(sys.argv[3])
texts = pq.read_table(path, columns=["text"])["text"].to_pylist()
def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
def ours(texts):
    from chimed.dedup.substring import SubstringSettings, repeated_places
    table = pa.table({"text": pa.array(texts, pa.large_string())})
    with tempfile.TemporaryDirectory() as work:
        size = sum(map(len, texts)) * 3
        return repeated_places(lambda: iter(table.to_batches(max_chunksize=8192)), SubstringSettings(length), Path(work) / "w", size)
def suffixes(texts):
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
work = {"chimed": ours, "pydivsufsort": suffixes}[tool]
work(texts[:200])
before = cpu()
found = work(texts)
print(json.dumps({"cpu": cpu() - before, "n": len(found), "sum": int(np.sum(found)), "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def substrings(path: Path, length: int = 50) -> list[str]:
    """Places where a window of `length` characters stood before: ours and a suffix array with common prefixes."""
    size = sum(len(text.encode()) for text in pq.read_table(path, columns=["text"])["text"].to_pylist()) / 1e6
    lines = ["| | CPU s | MB/s | ours / it | peak MB | places |", "|---|---:|---:|---:|---:|---:|"]
    first, places = None, set()
    for tool in ("chimed", "pydivsufsort"):
        done = subprocess.run(
            [sys.executable, "-c", SUBSTRING, tool, path, str(length)], capture_output=True, text=True
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


GROWTH = """
import json, resource, sys, time
from pathlib import Path
from chimed.dedup import NearSettings
from chimed.dedup.files import Job, deduplicate
def peak():
    # Not ru_maxrss: that one begins with what the parent process held.
    return int(next(l for l in open("/proc/self/status", encoding="utf-8") if l.startswith("VmHWM")).split()[1]) / 1024
def usage():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
paths, out = [Path(p) for p in sys.argv[2:]], Path(sys.argv[1])
start = peak()
before = usage()
facts = deduplicate(Job(paths, out), "near", NearSettings())
facts |= {"cpu": usage() - before, "peak_mb": peak(), "start_mb": start}
print(json.dumps(facts))
"""


def growth(megabytes: float, steps: tuple[int, ...] = (1, 2, 4, 8)) -> list[str]:
    """Whole runs, Parquet to Parquet, on one to eight such corpora."""
    parts = [prepared_only(megabytes, seed) for seed in range(1, max(steps) + 1)]
    lines = [
        "| MB of text | rows | CPU s | MB/s | wall s | peak MB | start MB |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for step in steps:
        out = CACHE / "growth.parquet"
        done = subprocess.run(
            [sys.executable, "-c", GROWTH, out, *parts[:step]], capture_output=True, text=True, check=True
        )
        facts = json.loads(done.stdout)
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
        done = subprocess.run([sys.executable, "-c", GROWTH, out, path], capture_output=True, text=True, check=True)
        facts = json.loads(done.stdout)
        lines.append(
            f"| {facts['read']:,} | {rows * characters * 3 / 1e9:.1f} | {facts['cpu']:.0f} | {facts['seconds']:.0f} | "
            f"{facts['peak_mb']:.0f} | {facts['kept']:,} |"
        )
        path.unlink()
        out.unlink()
    return lines


def bytes_of(path: Path) -> int:
    """UTF-8 bytes of the column `text`."""
    import pyarrow.compute as pc

    return pc.sum(pc.binary_length(pq.read_table(path, columns=["text"])["text"])).as_py()


def prepared_only(megabytes: float, seed: int) -> Path:
    """A corpus of ids and texts alone, without truth."""
    path = CACHE / f"texts-{megabytes:g}-{seed}.parquet"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        corpus.write(path.with_suffix(".part"), megabytes, seed, columns=2)
        path.with_suffix(".part").replace(path)
    return path


def machine() -> str:
    """Processor, cores, Python and the versions of what was run."""
    names = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(":")[1].strip() for line in names if line.startswith("model name")), platform.processor())
    found = []
    for name in SHARED:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    own = ", ".join(packages[0].replace("==", " ") for name, packages in OWN.items() if (CACHE / name).exists())
    return f"{model}, {os.cpu_count()} cores, shared; Python {platform.python_version()}, {', '.join(found)}, {own}."


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
