"""`make bench`: runs the benchmarks that need nothing but this package, and puts all results into RESULTS.md.

    python benchmarks/run.py [--assemble]

Benchmarks that need other people's programs in environments of their own (dedup peers, trainers, training) say so at the top of
their file; their last results stay in results/ until they run again.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
UPSTREAM = HERE.parent.parent / "shared/upstream/dev"
RUNS = [
    ["build.py"],
    ["clean.py", str(UPSTREAM)],
    ["guard.py", str(UPSTREAM)],
    ["privacy.py", "speed", str(UPSTREAM)],
    ["dedup.py"],
    ["evaluation.py"],
]
ORDER = (
    "build",
    "dedup-near",
    "dedup-substring",
    "dedup-growth",
    "engine",
    "clean",
    "guard",
    "privacy",
    "trainers",
    "training",
    "evaluation",
)
LIBRARIES = ("pyarrow", "numpy", "numba", "opencc", "datasketch", "torch", "transformers", "trl")


def machine() -> str:
    """What this was measured on."""
    names = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return f"{platform.machine()}, two shared cores, 24 GiB, no GPU, Python {platform.python_version()}; {names}"


def assemble() -> None:
    """RESULTS.md of all sections, in order, each with its last run."""
    parts = ["# Benchmarks\n", f"Machine: {machine()}.\n",
             "Ratios are of figures measured side by side in one run; both figures are given. Other work ran on the "
             "machine at the same time, so single figures are low and only ratios travel.\n"]  # fmt: skip
    sections = sorted(HERE.glob("results/*.md"), key=lambda p: (ORDER.index(p.stem) if p.stem in ORDER else 99, p.stem))
    for path in sections:
        text = path.read_text(encoding="utf-8").strip()
        parts.append(text.replace("\n# ", "\n## ").removeprefix("# ") if not text.startswith("# ") else "#" + text)
    (HERE / "RESULTS.md").write_text(
        "\n".join(part if part.endswith("\n") else part + "\n" for part in parts), encoding="utf-8"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--assemble", action="store_true", help="only put the sections together")
    if not parser.parse_args().assemble:
        for command in RUNS:
            print(f"== {' '.join(command)}", flush=True)
            subprocess.run([sys.executable, str(HERE / command[0]), *command[1:]], check=True)
    assemble()


if __name__ == "__main__":
    main()
