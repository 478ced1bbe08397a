"""`make chaos`: kills, full and read-only disks, damaged and fuzzed files, odd places; RELIABILITY.md says what came.

    python benchmarks/chaos.py [--kills N] [--fuzz N] [--from DIR] [--work DIR] [--seed S] [--only PART,...]

The full run is 200 kills and a million inputs, about an hour on two cores. Ends with 1 where anything was wrong.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import chaos_damage
import chaos_places
import chaos_victims
from chaos_kills import HERE, Killed, hammer, last_words, warm

UPSTREAM = HERE.parent.parent / "shared/upstream/dev"
# how many of the kills each victim gets
WEIGHTS = {"build": 0.25, "dedup": 0.2, "push": 0.3, "train": 0.15, "eval": 0.1}
Section = dict[str, Any]


def kills(asked: argparse.Namespace) -> Section:
    """Kills of every victim in turn."""
    chaos_victims.prepare(asked.work)
    rows: list[Killed] = []
    for victim in chaos_victims.victims(asked.work):
        count = max(1, round(asked.kills * WEIGHTS[victim.name]))
        rows.append(hammer(victim, count, asked.work / victim.name, asked.seed))
        print(rows[-1], flush=True)
    rows.append(chaos_victims.push(max(1, round(asked.kills * WEIGHTS["push"])), asked.seed))
    print(rows[-1], flush=True)
    return {"rows": [asdict(row) for row in rows], "wrong": sum(max(row.differing, len(row.failures)) for row in rows)}


def places(asked: argparse.Namespace) -> Section:
    """Full disks, read-only folders, two builds at once, odd names."""
    chaos_victims.prepare(asked.work)
    rows = [
        *chaos_places.full_disks(asked.work, (16, 64, 512, 2048)), *chaos_places.read_only(asked.work),
        *chaos_places.two_at_once(asked.work, 3), *chaos_places.odd_names(asked.work),
    ]  # fmt: skip
    return {"rows": [asdict(row) for row in rows], "wrong": sum(not row.right for row in rows)}


def damaged(asked: argparse.Namespace) -> Section:
    """Builds of all sources with every second file damaged."""
    tree = asked.given if asked.given.is_dir() else chaos_victims.SAMPLE
    rows = []
    with warm("chimed", asked.work / "cache") as process:
        for number, how in enumerate([*chaos_damage.DAMAGE, "mixed", "mixed"]):
            hurt = chaos_damage.damage(
                _sources_only(tree, asked.work), asked.work / "damaged", how, asked.seed + number
            )
            out = asked.work / "damaged-out"
            shutil.rmtree(out, ignore_errors=True)
            words = ["build", "--split", "all", "--from", str(asked.work / "damaged"), "--out", str(out)]
            code = process.run(words, asked.work / "log.txt")
            rows.append(_damage_row(how, len(hurt), code, out, asked.work / "log.txt"))
            print(rows[-1], flush=True)
    return {
        "tree": "upstream" if tree == asked.given else "sample",
        "rows": rows,
        "wrong": sum(not r["right"] for r in rows),
    }


def _sources_only(tree: Path, work: Path) -> Path:
    """The tree without what a build never reads, copied once."""
    out = work / "sound"
    if not out.is_dir():
        shutil.copytree(tree, out, ignore=shutil.ignore_patterns("_made", "extra", "variants"))
    return out


def _damage_row(how: str, files: int, code: int, out: Path, log: Path) -> Section:
    text = log.read_text(encoding="utf-8", errors="replace")
    manifests = sorted(out.glob("*/manifest.json"))
    lost: Counter[str] = Counter()
    for manifest in manifests:
        for source in json.loads(manifest.read_text(encoding="utf-8"))["sources"]:
            lost.update(source["lost"])
    words = (
        f"exit {code}: {last_words(log)}"
        if code
        else "exit 0: lost " + ", ".join(f"{r} {n:,}" for r, n in sorted(lost.items()))
    )
    right = "Traceback" not in text and (code == 0 or (code == 6 and not manifests))
    return {"how": how, "files": files, "ended": words, "refused": text.count("\n") if code else 0, "right": right}


def fuzz(asked: argparse.Namespace) -> Section:
    """Mutated inputs for every reader."""
    found = chaos_damage.fuzz(chaos_victims.SAMPLE, asked.fuzz, asked.seed)
    return {
        "inputs": dict(found.inputs), "ended": dict(found.ended), "defects": found.defects, "seconds": found.seconds,
        "wrong": len(found.defects),
    }  # fmt: skip


PARTS: dict[str, Callable[[argparse.Namespace], Section]] = {
    "kills": kills, "places": places, "damaged": damaged, "fuzz": fuzz,
}  # fmt: skip

# ---- the page ----


def table(head: list[str], rows: list[list[object]]) -> str:
    lines = [
        [str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in (head, ["---"] * len(head), *rows)
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def right(value: bool) -> str:
    return "yes" if value else "**NO**"


def page(found: dict[str, Section]) -> str:
    """RELIABILITY.md."""
    wrong = {name: section["wrong"] for name, section in found.items()}
    seeds = ", ".join(f"{name} {section['seed']}" for name, section in found.items())
    parts = [
        "# Reliability\n",
        f"Written by `make chaos` (seeds: {seeds}); every figure is counted by it. Not as it should be: "
        + (", ".join(f"{name} {count}" for name, count in wrong.items() if count) or "nothing") + ".\n",
    ]  # fmt: skip
    if section := found.get("kills"):
        rows = section["rows"]
        parts += [f"## {sum(r['kills'] for r in rows):,} kills at random moments\n",
                  "SIGKILL to the whole process group, then the same command again. Finished runs are compared with a run "
                  "left in peace, file by file (for train: weights and every logged loss; for push: every commit ever made "
                  "must be the old state or the new one).\n",
                  table(["command", "kills", "runs finished", "with other bytes", "one run, s", "failures"],
                        [[r["name"], r["kills"], r["finished"], r["differing"], f"{r['seconds']:.1f}",
                          "; ".join(r["failures"]) or "none"] for r in rows])]  # fmt: skip
    if section := found.get("places"):
        parts += [
            "## Full disks, read-only folders, two at once, odd names\n",
            table(["tried", "ended", "right"], [[r["what"], r["ended"], right(r["right"])] for r in section["rows"]]),
        ]
    if section := found.get("damaged"):
        parts += [f"## Every second file damaged ({section['tree']} files, all sources)\n",
                  table(["damage", "files hurt", "ended", "right"],
                        [[r["how"], r["files"], r["ended"], right(r["right"])] for r in section["rows"]])]  # fmt: skip
    if section := found.get("fuzz"):
        total = sum(section["inputs"].values())
        parts += [f"## {total:,} mutated inputs\n",
                  f"In {section['seconds']:.0f} s, over {len(section['inputs'])} readers and their parsers; what the rows "
                  "became: " + ", ".join(f"{k} {v:,}" for k, v in sorted(section["ended"].items())) + ".\n",
                  table(["reader", "inputs"], [[k, f"{v:,}"] for k, v in sorted(section["inputs"].items())]),
                  "\nDefects: " + ("none.\n" if not section["defects"] else
                                   "\n" + "".join(f"- {k}: {v}\n" for k, v in sorted(section["defects"].items())))]  # fmt: skip
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--fuzz", type=int, default=1_000_000)
    parser.add_argument("--from", dest="given", type=Path, default=UPSTREAM)
    parser.add_argument("--work", type=Path, default=Path("build/chaos"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--out", type=Path, default=HERE / "RELIABILITY.md")
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    asked.work, asked.given = asked.work.resolve(), asked.given.resolve()
    kept = asked.work / "found.json"
    found = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    for name in asked.only.split(","):
        started = time.monotonic()
        found[name] = PARTS[name](asked) | {"seed": asked.seed}
        kept.write_text(json.dumps(found, ensure_ascii=False, indent=1), encoding="utf-8")
        print(f"{name}: {found[name]['wrong']} wrong, {time.monotonic() - started:.0f} s", flush=True)
    text = page({name: found[name] for name in PARTS if name in found}).replace(f"{asked.work}/", "WORK/")
    asked.out.write_text(text, encoding="utf-8")
    print(asked.out)
    sys.exit(1 if any(section["wrong"] for section in found.values()) else 0)


if __name__ == "__main__":
    main()
