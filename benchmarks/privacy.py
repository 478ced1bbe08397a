"""De-identification: recall and damage on the project's own sentences, speed per core, and a peer beside it.

    python benchmarks/privacy.py score            # the table of docs/privacy.md; --write puts it there
    python benchmarks/privacy.py speed FOLDER     # MB/s on the strings of a folder of JSON Lines, JSON, csv and text,
                                                  # and results/privacy.md
    python benchmarks/privacy.py speed FOLDER --peer   # jionlp beside it, in an environment of its own

The sentences lie in tests/privacy: `marked` holds spans as ⟦TYPE:value⟧. The development part was seen while the rules
were written; the held-out part was written before them and is only scored. A span counts as found when every character
of it is covered; types are not compared. Anything masked outside a span is damage.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PARTS = {"development": "development", "held-out": "heldout"}
STRUCTURED = frozenset("ID_CARD MRN EMAIL URL WECHAT QQ PASSPORT DOB PHONE MOBILE BANK_CARD PLATE".split())
MARK = re.compile(r"⟦([A-Z0-9_]+):([^⟧]*)⟧")
BEGIN, END = "<!-- generated: python benchmarks/privacy.py score --write -->", "<!-- end -->"


@dataclass(frozen=True)
class Case:
    id: str
    text: str
    spans: list[tuple[int, int, str]]


@dataclass
class Score:
    lines: int = 0
    negatives: int = 0
    damaged: list[str] = field(default_factory=list)
    total: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    masked: Counter[str] = field(default_factory=Counter)
    spurious: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)

    def recall(self, types: frozenset[str]) -> float:
        return sum(self.found[t] for t in types) / max(1, sum(self.total[t] for t in types))

    def precision(self, kind: str) -> float:
        return 1 - self.spurious[kind] / max(1, self.masked[kind])


def parse(name: str, marked: str) -> Case:
    text, spans, position = "", [], 0
    for match in MARK.finditer(marked):
        text += marked[position : match.start()]
        spans.append((len(text), len(text) + len(match[2]), match[1]))
        text += match[2]
        position = match.end()
    return Case(name, text + marked[position:], spans)


def cases(part: str) -> list[Case]:
    path = ROOT / "tests" / "privacy" / f"{part}.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [parse(row["id"], row["marked"]) for row in rows]


def score(given: list[Case]) -> Score:
    from chimed.privacy import find

    result = Score()
    for case in given:
        hits = find(case.text)
        covered = {i for start, end, _ in hits for i in range(start, end)}
        result.lines += 1
        result.negatives += not case.spans
        for start, end, kind in case.spans:
            complete = covered.issuperset(range(start, end))
            result.total[kind] += 1
            result.found[kind] += complete
            if not complete:
                result.missed.append(f"{case.id} {kind}")
        for start, end, kind in hits:
            result.masked[kind] += 1
            if not any(start < stop and begin < end for begin, stop, _ in case.spans):
                result.spurious[kind] += 1
                if not case.spans:
                    result.damaged.append(f"{case.id} {kind}")
    return result


def table() -> str:
    """The score table in Markdown, as it stands in docs/privacy.md."""
    scores = {name: score(cases(part)) for name, part in PARTS.items()}
    kinds = sorted(set().union(*(s.total for s in scores.values())))
    head = "".join(f" {name}: found of n |" for name in scores)
    lines = [f"| type |{head}", "|---|" + "---|" * len(scores)]
    lines += [
        f"| {kind} |" + "".join(f" {s.found[kind]} of {s.total[kind]} |" for s in scores.values()) for kind in kinds
    ]
    summary = {
        "recall, structured types": lambda s: f"{s.recall(STRUCTURED):.1%}",
        "recall, names": lambda s: f"{s.recall(frozenset({'NAME'})):.1%}",
        "precision, names": lambda s: f"{s.precision('NAME'):.1%}",
        "lines, of which without identifier": lambda s: f"{s.lines}, {s.negatives}",
        "lines without identifier that were changed": lambda s: str(len({d.split()[0] for d in s.damaged})),
        "of these, changed in a number": lambda s: str(sum(not d.endswith(" NAME") for d in s.damaged)),
    }
    lines += [f"| **{name}** |" + "".join(f" {value(s)} |" for s in scores.values()) for name, value in summary.items()]
    return "\n".join(lines)


def documented(text: str) -> str:
    """A page with its generated part renewed."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{rest[rest.index(END) :]}"


def strings(folder: Path) -> Iterator[str]:
    """All strings of the JSON, csv and text files of a folder."""
    csv.field_size_limit(10**9)
    for path in sorted(p for p in folder.rglob("*") if p.suffix in {".json", ".jsonl", ".csv", ".txt"}):
        text = path.read_bytes().decode("utf-8-sig", errors="ignore")
        if path.suffix == ".csv":
            yield from (cell for row in csv.reader(text.splitlines()) for cell in row if cell)
        elif path.suffix == ".txt":
            yield from filter(None, text.splitlines())
        else:
            yield from _json_strings(text)


def _json_strings(text: str) -> Iterator[str]:
    try:
        values = [json.loads(text)]
    except ValueError:
        values = []
        for line in filter(None, text.splitlines()):
            try:
                values.append(json.loads(line))
            except ValueError:
                continue
    for value in values:
        yield from _leaves(value)


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from ([value] if value else [])
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item)


PEER = """
import json, sys, time
import jionlp
texts = json.load(open(sys.argv[1], encoding="utf-8"))
tools = [jionlp.extract_phone_number, jionlp.extract_id_card, jionlp.extract_email, jionlp.extract_qq,
         jionlp.extract_wechat_id, jionlp.extract_url, jionlp.extract_motor_vehicle_licence_plate]
size = sum(len(t.encode("utf-8", "ignore")) for t in texts)
for tool in tools: tool("1")
start = time.process_time()
for text in texts:
    for tool in tools:
        tool(text)
print(json.dumps({"version": jionlp.__version__, "speed": size / 1e6 / (time.process_time() - start)}))
"""


def peer(texts: list[str]) -> str:
    """jionlp's extractors on the same strings, installed into an environment that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder) / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        got = subprocess.run([python, "-m", "pip", "install", "-q", "jionlp"], capture_output=True, text=True)
        if got.returncode:
            return f"jionlp: not measured, it cannot be installed here ({got.stderr.strip().splitlines()[-1]})"
        (Path(folder) / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
        run = subprocess.run(
            [python, "-c", PEER, str(Path(folder) / "texts.json")], capture_output=True, text=True, check=True
        )
    result = json.loads(run.stdout.strip().splitlines()[-1])
    return f"jionlp {result['version']}, seven extractors: {result['speed']:.1f} MB/s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    modes = parser.add_subparsers(dest="mode", required=True)
    modes.add_parser("score").add_argument("--write", action="store_true")
    speed = modes.add_parser("speed")
    speed.add_argument("folder", type=Path)
    speed.add_argument("--peer", action="store_true")
    speed.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    if given.mode == "score":
        print(table())
        page = ROOT / "docs" / "privacy.md"
        if given.write:
            page.write_text(documented(page.read_text(encoding="utf-8")), encoding="utf-8")
        return
    import privacy_page

    texts = list(strings(given.folder))
    privacy_page.write(texts, given.rounds, peer(texts[::4]) if given.peer else None)


if __name__ == "__main__":
    main()
