"""Speed of cleaning beside plain OpenCC, in MB of UTF-8 per second of CPU time.

    python benchmarks/clean.py DIR [--rounds 3]

DIR holds upstream sources; the textbooks there are the Simplified text, the records of `extra/traditional` the Traditional.
Without DIR the packaged sample is read. Every figure is the median of the rounds; the ratio comes from one run.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import opencc
from timing import speed, write_page

from chimed import clean, packaged
from chimed.clean import script

Rows = list[str]


HEAD = """\
## Cleaning

MB of UTF-8 text per second of CPU time; each column from one run, the median of its rounds. Textbooks: scanned Simplified
books in passages of 2,048 characters. Traditional: the real Traditional records.

`python benchmarks/clean.py DIR`
""".splitlines()
TAIL = """
On Simplified text the gate is faster than converting everything, and changes nothing; on Traditional text it pays for
counting what OpenCC changed. One look for the signs of all steps tells the chain which to run, again after each change.
""".splitlines()


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings(part)


def passages(folder: Path) -> Rows:
    """Lines of the textbooks packed to about 2,000 characters, as the source packs them."""
    out, current = [], ""
    for book in sorted(folder.glob("medqa_textbooks/**/zh_paragraph/*.txt")):
        for line in book.read_text(encoding="utf-8").splitlines(keepends=True):
            if len(current) + len(line) > 2048:
                out.append(current)
                current = ""
            current += line
    return [*out, current]


def main() -> None:
    """One line per step, one column per kind of text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=packaged.folder("sample"))
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    books = passages(args.folder)
    texts = {
        "textbooks as they come": books,
        "textbooks, cleaned": [clean.clean([t], ["text"]).texts[0] for t in books],
    }
    records = args.folder / "extra/traditional/real_traditional_records.json"
    if records.is_file():
        texts["Traditional"] = [
            t for t in strings(json.loads(records.read_text(encoding="utf-8"))) if len(t) > 100
        ] * 20
    plain = opencc.OpenCC("t2s").convert
    steps: dict[str, Callable[[str], object]] = {
        "opencc t2s, plain": plain,
        "script (gate, exceptions)": lambda text: script.simplify_record([text], ["text"]),
        **{name: clean.step(name) for name in ("controls", "width", "markup", "escapes", "spaces")},
        "the whole chain": lambda text: clean.clean([text], ["text"]),
    }
    sizes = {kind: sum(len(row.encode()) for row in rows) / 1e6 for kind, rows in texts.items()}
    lines = [*HEAD, f"| MB/s per CPU-second | {' | '.join(texts)} |", f"|---|{'---:|' * len(texts)}"]
    for name, step in steps.items():
        found = [speed(step, rows, sizes[kind], args.rounds) for kind, rows in texts.items()]
        lines.append(f"| {name} | {' | '.join(f'{one:,.0f}' for one in found)} |")
    write_page("clean", [*lines, *TAIL])


if __name__ == "__main__":
    main()
