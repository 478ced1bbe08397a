"""Speed of the guard beside a scan with a plain Python set of the same 13-grams, in MB of UTF-8 per second of CPU time.

    python benchmarks/guard.py DIR [--rounds 3]

DIR holds upstream sources and the evaluation sets under `eval/` (default: the packaged sample). The plain scan does what
word-based tools do when they are given characters: NFKC, casefold, punctuation out, every 13-gram looked up in a set; it
neither measures coverage nor judges. Both must agree on the records that share a gram with any item.
"""

from __future__ import annotations

import argparse
import re
import time
import unicodedata
from pathlib import Path

from timing import speed, write_page

from chimed import evalsets, guard, packaged
from chimed.build.inputs import chosen, find
from chimed.build.parse import parse_rows
from chimed.guard.items import parts_of
from chimed.source import discover

DROPPED = re.compile(r"[\W_]+")
GRAM = 13


def folded(text: str) -> str:
    return DROPPED.sub("", unicodedata.normalize("NFKC", text).casefold())


def grams_of(items: list[evalsets.EvalItem]) -> set[str]:
    texts = (folded(text) for item in items for _, text in parts_of(item))
    return {text[i : i + GRAM] for text in texts for i in range(len(text) - GRAM + 1)}


def rows_of(root: Path) -> list[list[str]]:
    """Texts of all rows of all sources that serve CPT or SFT."""
    every, rows = discover(), []
    for split in ("cpt", "sft"):
        for entry in find(chosen(every, split, []), split, root)[0]:
            parsed = parse_rows(entry.source, split, entry.source.reader.read(entry.folder, entry.files))
            rows += [list(item.texts.texts) for item in parsed if item.texts]
    return rows


def main() -> None:
    """Print the figures as a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=packaged.folder("sample"))
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    items = list(evalsets.read_items(args.folder / "eval"))
    rows = rows_of(args.folder)
    start = time.process_time()
    index = guard.Index.build(items)
    built = time.process_time() - start
    grams = grams_of(items)

    def plain(row: list[str]) -> bool:
        return any(any(text[i : i + GRAM] in grams for i in range(len(text) - GRAM + 1)) for text in map(folded, row))

    for row in rows[:200]:
        index.hits(row)
    size = sum(len(text.encode()) for row in rows for text in row) / 1e6
    ours, theirs = (speed(step, rows, size, args.rounds) for step in (index.hits, plain))
    shared, bad = sum(map(plain, rows)), sum(index.check(row) is not None for row in rows)
    write_page("guard", [
        "## The guard", "",
        f"`python benchmarks/guard.py DIR`: {len(items):,} items, {len(grams):,} grams, index built in {built:.1f} s; "
        f"{len(rows):,} rows, {size:.1f} MB. {shared:,} rows share a gram with an item, {bad:,} are contaminated.", "",
        "| | MB/s per CPU-second |", "|---|---:|",
        f"| guard: coverage, runs, verdict | {ours:,.1f} |", f"| plain set of 13-grams: any hit | {theirs:,.1f} |",
        f"| ratio | {ours / theirs:.1f} |",
    ])  # fmt: skip


if __name__ == "__main__":
    main()
