"""How fast and in how much memory a build runs, at 1x, 2x, 4x and 8x the data: flat is the goal.

    python benchmarks/build.py [--top MEGABYTES] [--only-parse]

A corpus in four upstream layouts (JSON Lines, array, csv in GB18030, multi-turn) is generated from words of the
packaged sample; each size is built in a process of its own with one worker, with parsing to Parquet alone, and the two
smaller ones with every step on too. MB are megabytes of input per second of that process's CPU time; memory is its peak.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from timing import processor

PARSE_ONLY = """
validation = 0.0
mask = "off"
[clean]
steps = []
boilerplate = false
[guard]
action = "off"
[dedup]
method = "off"
substring = "off"
"""
QUALITY_OFF = "\n[quality]\n"


def words() -> list[str]:
    """Pieces of two to four characters of the sample's textbooks: the material of the generated corpus."""
    from chimed import packaged

    books = sorted((packaged.folder("sample") / "medqa_textbooks").rglob("*.txt"))
    text = "".join(line for book in books for line in book.read_text(encoding="utf-8").split())
    rng = random.Random(1)
    pieces = {text[at : at + rng.randint(2, 4)] for at in range(len(text) - 4)}
    return sorted(piece for piece in pieces if piece.isalpha())


def paragraph(rng: random.Random, material: list[str], least: int) -> str:
    """Sentences of random words, at least so many characters; here and there a dose."""
    parts: list[str] = []
    size = 0
    while size < least:
        chosen = rng.choices(material, k=rng.randint(5, 12))
        dose = f"{rng.randint(1, 40) / 4}mg" if rng.random() < 0.1 else ""
        parts.append("".join(chosen[:4]) + "，" + "".join(chosen[4:]) + dose + "。")
        size += len(parts[-1])
    return "".join(parts)


def generate(folder: Path, megabytes: float, seed: int = 7) -> int:
    """Write the corpus; returns its bytes. Half of it is JSON Lines, a quarter array, the rest csv and multi-turn."""
    rng, material = random.Random(seed), words()
    size = int(megabytes * 1e6)
    files = [
        (folder / "belle_train_2m/train_2M_CN.json", 0.5, _line),
        (folder / "belle_train_3_5m/train_3.5M_CN.json", 0.2, _conversation),
        (folder / "alpaca_gpt4_zh/alpaca_gpt4_data_zh.json", 0.15, _line),
        (folder / "chinese_medical_dialogue/Data_数据/IM_内科/内科5000-33000.csv", 0.15, _csv),
    ]
    for path, share, row in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        array, csv = "alpaca" in path.name, path.suffix == ".csv"
        with open(path, "w", encoding="gb18030" if csv else "utf-8") as f:
            f.write("department,title,ask,answer\n" if csv else "[\n" if array else "")
            first = True
            while f.tell() < size * share:
                for _ in range(200):
                    f.write(("" if first or not array else ",\n") + row(rng, material) + ("" if array else "\n"))
                    first = False
            f.write("\n]\n" if array else "")
    return sum(path.stat().st_size for path, *_ in files)


def _line(rng: random.Random, material: list[str]) -> str:
    row = {"instruction": paragraph(rng, material, 40), "input": "", "output": paragraph(rng, material, 250)}
    return json.dumps(row, ensure_ascii=False)


def _conversation(rng: random.Random, material: list[str]) -> str:
    turns = [
        {"from": "assistant" if i % 2 else "human", "value": paragraph(rng, material, 150 if i % 2 else 30)}
        for i in range(2 * rng.randint(1, 3))
    ]
    return json.dumps({"id": str(rng.randrange(10**8)), "conversations": turns}, ensure_ascii=False)


def _csv(rng: random.Random, material: list[str]) -> str:
    ask, answer = (paragraph(rng, material, least).replace('"', "") for least in (60, 200))
    return f'内科,"{ask[:20]}","{ask}","{answer}"'


def measure(source: Path, recipe: Path | None, folder: Path) -> tuple[float, float, float]:
    """CPU seconds, wall seconds and peak megabytes of one build of the SFT release."""
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-c", "from chimed.cli import main; main()", "build", "--split", "sft",
               "--from", str(source), "--out", str(out), "--workers", "1"]  # fmt: skip
    command += ["--recipe", str(recipe)] if recipe else []
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the build failed: {command}")
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - start, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--top", type=float, default=1000, help="megabytes of the largest corpus")
    parser.add_argument("--only-parse", action="store_true", help="leave out the runs with every step on")
    said = parser.parse_args()
    load = f"{os.getloadavg()[0]:.0f} on {os.cpu_count()} cores"
    lines = [
        "# Building",
        "",
        "SFT release of a generated corpus, one worker; MB of input per second of CPU time, whole process with its start",
        f"({processor()}; load of the machine when it began: {load}).",
        "",
        "| input MB | steps | CPU s | MB/s per core | peak MB |",
        "|---:|---|---:|---:|---:|",
    ]
    print("\n".join(lines))
    with tempfile.TemporaryDirectory(prefix="chimed-bench-") as place:
        folder = Path(place)
        recipe = folder / "parse.toml"
        from chimed.quality import DEFAULTS

        off = "\n".join(f'{name} = "off"' for name in DEFAULTS)
        recipe.write_text(PARSE_ONLY + QUALITY_OFF + off + "\n", encoding="utf-8")
        for factor in (1, 2, 4, 8):
            source = folder / "upstream"
            shutil.rmtree(source, ignore_errors=True)
            size = generate(source, said.top * factor / 8) / 1e6
            whole = [] if said.only_parse or factor > 2 else [("everything on", None)]
            for name, settings in [("parsing to Parquet", recipe), *whole]:
                cpu, _, peak = measure(source, settings, folder)
                lines.append(f"| {size:.0f} | {name} | {cpu:.1f} | {size / cpu:.1f} | {peak:.0f} |")
                print(lines[-1], flush=True)
    results = Path(__file__).resolve().parent / "results" / "build.md"
    results.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
