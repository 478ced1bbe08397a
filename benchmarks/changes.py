"""What cleaning, the guard and the quality flags do to each source, with before/after pairs to read.

    python benchmarks/changes.py DIR [--pairs 20] [--only A,B] [--seed N]

DIR holds one folder per source id, as for `chimed build --from`, and the evaluation sets under `eval/`. Every number with
its unit is compared before and after cleaning; the last column counts rows where one is gone.
"""

from __future__ import annotations

import argparse
import difflib
import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from chimed import clean, evalsets, guard, quality
from chimed.build.inputs import chosen, find
from chimed.build.parse import parse_rows
from chimed.formatter import ROLE
from chimed.source import discover

QUANTITY = re.compile(r"[<>≥≤±]? ?\d+(?:[.．]\d+)? ?(?:[a-zA-Zμµ%℃‰/^]+|[万次片粒支天日周月年岁]+)?")
WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | dict.fromkeys(map(ord, "\u200b\ufeff\xad"), None)
SEEN = 48

Pair = tuple[str, tuple[str, ...], str, str]


def rows_of(root: Path, only: set[str]) -> Iterator[tuple[str, list[tuple[list[str], str]]]]:
    """Per source its distinct rows as texts and roles, over all splits that it serves."""
    every = discover()
    for name, source in sorted(every.items()):
        if only and name not in only:
            continue
        rows: dict[tuple[str, ...], str] = {}
        for split in sorted(source.serves):
            present, _ = find(chosen({name: source}, split, [name]), split, root)
            for entry in present:
                for parsed in parse_rows(source, split, source.reader.read(entry.folder, entry.files)):
                    if parsed.texts:
                        rows[parsed.texts.texts] = parsed.texts.roles
        if rows:
            yield name, [(list(texts), roles) for texts, roles in rows.items()]


def quantities(texts: list[str]) -> Counter[str]:
    text = re.sub(r"&lt;", "<", "\n".join(texts)).translate(WIDE)
    return Counter(re.sub(r"\s", "", found) for found in QUANTITY.findall(text))


def spread(pairs: list[Pair], count: int, seed: random.Random) -> list[Pair]:
    """A random choice in which every source and combination of steps comes once before any comes twice."""
    seed.shuffle(pairs)
    met: Counter[tuple[str, tuple[str, ...]]] = Counter()
    ranked = []
    for pair in pairs:
        ranked.append((met[pair[:2]], pair))
        met[pair[:2]] += 1
    return [pair for _, pair in sorted(ranked, key=lambda entry: entry[0])[:count]]


def difference(before: str, after: str) -> str:
    """The first place where two texts differ, with what stands around it."""
    for tag, a, b, c, d in difflib.SequenceMatcher(None, before[:4000], after[:4000], autojunk=False).get_opcodes():
        if tag != "equal":
            return f"{before[max(0, a - SEEN) : b + SEEN]!r}\n     -> {after[max(0, c - SEEN) : d + SEEN]!r}"
    return "(beyond the first 4,000 characters)"


def main() -> None:
    """Print the table and the pairs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    items = list(evalsets.read_items(args.folder / "eval")) if (args.folder / "eval").is_dir() else []
    index = guard.Index.build(items)
    pairs: list[Pair] = []
    print(f"{'source':28}{'rows':>8}  steps, guard, flags; rows that lost a number")
    for name, rows in rows_of(args.folder, set(args.only.split(",")) - {""}):
        found = clean.boilerplate(texts for texts, _ in rows)
        counts: Counter[str] = Counter()
        lost = 0
        for texts, roles in rows:
            names = [ROLE.get(letter, "text") for letter in roles]
            out = clean.clean(texts, names, pair=roles.endswith("cr"), boilerplate=found)
            counts.update(out.touched)
            counts.update(f"guard:{hit.set}" for hit in [index.check(out.texts)] if hit)
            counts.update(f"flag:{flag}" for flag in quality.flags(out.texts, names))
            gone = quantities(texts) - quantities(out.texts)
            lost += bool(gone)
            if gone:
                print(f"{name}: gone: {sorted(gone)[:6]}, new: {sorted(quantities(out.texts) - quantities(texts))[:6]}")
            changed = [(a, b) for a, b in zip(texts, out.texts, strict=True) if a != b]
            pairs += [(name, out.touched, *pair) for pair in changed]
        print(f"{name:28}{len(rows):8,}  {dict(sorted(counts.items()))}; {lost}", flush=True)
        if found:
            print(" " * 38 + "boilerplate: " + " | ".join(sorted(found)))
    for name, steps, before, after in spread(pairs, args.pairs, random.Random(args.seed)):
        print(f"\n{name} ({', '.join(steps)})\n        {difference(before, after)}")


if __name__ == "__main__":
    main()
