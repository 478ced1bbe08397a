"""Do other houses' trainers read a pushed release, all rows, with the same turns, without any code?

    python benchmarks/trainers.py [--release BUILD] [--only trl,swift] [--json] [--out FILE]
    python benchmarks/trainers.py --setup llamafactory --setup swift --setup axolotl

Pushes the SFT and DPO releases of BUILD (or of the packaged sample) to a Hub on the loopback interface with `chimed push`
and has the real packages read them from there: datasets and TRL of this environment, LLaMA-Factory, ms-swift and Axolotl
each of its own, which --setup makes (gigabytes in the cache folder). Nothing is trained. Exit code 1 if a row differs.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import trainer_envs

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from hub.loopback import WRITE, loopback_hub  # noqa: E402

from chimed.release import Release, open_release  # noqa: E402

Row = dict[str, Any]
NAMES = {"sft": "ChiMed-SFT", "dpo": "ChiMed-DPO"}
OWN = ("datasets", "trl")
TITLE = """# Trainers of other houses on a pushed release

The packaged sample's SFT and DPO releases, pushed to a loopback Hub with `chimed push` and read from there by the real
packages: no code of ours on the reading side, nothing trained. For TRL and Axolotl turns are read back from the tokens,
and the tokens that carry loss are the assistants' words and nothing else. `export` is what `chimed export` wrote, `folder`
the release as it lies on disk.

`python benchmarks/trainers.py`

"""
EXPORTS = {"llamafactory": "{}", "swift": "{}/train.jsonl"}


@dataclass(frozen=True)
class Result:
    """One reader on one split by one road: rows of the release, rows read, rows whose turns are the same."""

    trainer: str
    version: str
    split: str
    road: str
    rows: int = 0
    read: int = 0
    same: int = 0
    skipped: str = ""
    failed: str = ""

    @property
    def good(self) -> bool:
        return not self.failed and (bool(self.skipped) or self.rows == self.read == self.same > 0)


def turns_of(row: Row) -> Row:
    """A published row as what a trainer must make of it."""
    made: Row = {"turns": [[m["role"], m["content"]] for m in row.get("messages") or row["prompt"]]}
    return made | {side: row[side][0]["content"] for side in ("chosen", "rejected") if side in row}


def rows_of(release: Release) -> list[Row]:
    return [row for batch in release.batches("train") for row in batch.to_pylist()]


def alike(expected: list[Any], found: list[Any]) -> int:
    """How many values are in both, each as often as it is in the other."""
    one, other = (Counter(json.dumps(v, ensure_ascii=False, sort_keys=True) for v in values)
                  for values in (expected, found))  # fmt: skip
    return sum((one & other).values())


def environment(endpoint: str, home: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "PYTEST_"))}
    return kept | {
        "HF_ENDPOINT": endpoint, "HF_TOKEN": WRITE, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "CUDA_VISIBLE_DEVICES": "",
        "MODELSCOPE_CACHE": str(home / "modelscope"), "AXOLOTL_DO_NOT_TRACK": "1", "WANDB_MODE": "disabled",
    }  # fmt: skip


def chimed(env: dict[str, str], *words: object) -> None:
    start = [sys.executable, "-c", "from chimed.cli import main; main()"]
    subprocess.run([*start, *map(str, words)], env=env, check=True, stdout=subprocess.DEVNULL)


def version(python: Path, package: str) -> str:
    if str(python) == sys.executable:
        return importlib.metadata.version(package)
    asked = [python, "-c", f"from importlib.metadata import version; print(version({package!r}))"]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()


def read(name: str, python: Path, env: dict[str, str], first: str, place: object, folder: Path) -> list[Any]:
    """Run one of the readers; raises RuntimeError with the end of what it said."""
    out = folder / f"{name}-{first}.jsonl"
    command = [str(python), str(HERE / "trainer_reads" / f"read_{name}.py"), first, str(place), str(out)]
    ran = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError("\n".join((ran.stderr or ran.stdout).strip().splitlines()[-12:]))
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def datasets_results(release: Release, repo: str, env: dict[str, str], folder: Path) -> Iterator[Result]:
    """Every config, whole files and streamed; ids and texts as they lie in the release."""
    base = asdict(Result("datasets", importlib.metadata.version("datasets"), release.split, "Hub"))
    try:
        found = read("datasets", Path(sys.executable), env, release.split, repo, folder)
    except RuntimeError as error:
        yield Result(**base | {"failed": str(error)})
        return
    roads: dict[str, list[Row]] = {}
    for line in found:
        if line["part"] == "train":
            roads.setdefault(line["road"], []).append(line["row"])
    for road, rows in sorted(roads.items()):
        config = road.split(", ")[1]
        expected = [shaped(row, config) for row in rows_of(release) if belongs(release, row, config)]
        counts = {"rows": len(expected), "read": len(rows), "same": alike(expected, rows)}
        yield Result(**base | {"road": road} | counts)


def belongs(release: Release, row: Row, config: str) -> bool:
    """Whole sources: `medical` has those that are medical as such (a general one may hold some medical rows)."""
    entry = next(entry for entry in release.manifest.sources if entry.source == row["source"])
    names = {"default", "all", "llamafactory", "swift", entry.domain, entry.source}
    return config in names | ({"permissive"} if entry.redistributable == "yes" else set())


def shaped(row: Row, config: str) -> Row:
    """The row as the config of another trainer holds it (the shape written out here a second time)."""
    if config not in ("llamafactory", "swift"):
        return row
    rest = {name: row[name] for name in ("id", "source", "domain", "license")}
    replies = {side: row[side][0]["content"] for side in ("chosen", "rejected")}
    if config == "swift":
        return rest | {"messages": [*row["prompt"], *row["chosen"]], "rejected_response": replies["rejected"]}
    system = "".join(m["content"] for m in row["prompt"] if m["role"] == "system")
    asked = [m["content"] for m in row["prompt"] if m["role"] != "system"]
    history = [list(pair) for pair in zip(asked[:-1:2], asked[1::2], strict=True)]
    return rest | replies | {"system": system, "instruction": asked[-1], "input": "", "history": history}


def trainer_results(name: str, release: Release, repo: str, env: dict[str, str], folder: Path) -> Iterator[Result]:
    """From the Hub, and for those with a layout of their own from what `chimed export` wrote."""
    split = release.split
    python = Path(sys.executable) if name in OWN else trainer_envs.python(name)
    roads: dict[str, object] = {"Hub": repo}
    if python is None:
        words = f"no environment for it: python benchmarks/trainers.py --setup {name}"
        yield Result(name, trainer_envs.TRAINERS[name].version, split, "Hub", skipped=words)
        return
    if name in EXPORTS:
        out = folder / f"export-{name}-{split}"
        chimed(env, "export", release.path, "--to", name, "--out", out)
        roads["export"] = EXPORTS[name].format(out)
    if name == "llamafactory" and split == "sft" and (release.path / "dataset_info.json").is_file():
        roads["folder"] = release.path
    package = name if name in OWN else trainer_envs.TRAINERS[name].package
    expected = [turns_of(row) for row in rows_of(release)]
    for road, place in roads.items():
        base = Result(name, version(python, package), split, road, rows=len(expected))
        try:
            found = read(name, python, env, split, place, folder)
        except RuntimeError as error:
            yield Result(**asdict(base) | {"failed": str(error)})
            continue
        yield Result(**asdict(base) | {"read": len(found), "same": alike(expected, found)})


def results(build: Path | None, names: list[str]) -> Iterator[Result]:
    with tempfile.TemporaryDirectory(prefix="chimed-trainers-") as place, loopback_hub(Path(place) / "hub") as hub:
        folder, env = Path(place), environment(hub.endpoint, Path(place) / "hf")
        for split, name in NAMES.items():
            if build is None:
                chimed(env, "build", "--split", split, "--sample", "--out", folder / "build")
            release = open_release((build or folder / "build") / name)
            repo = f"org/{name}"
            chimed(env, "push", release.path, "--repo", repo, "--include-restricted")
            for trainer in names:
                if trainer == "datasets":
                    yield from datasets_results(release, repo, env, folder)
                else:
                    yield from trainer_results(trainer, release, repo, env, folder)


def summed(found: list[Result]) -> list[Result]:
    """Good configs of one reader and mode in one line, for the table."""
    lines: dict[tuple[str, str, str], Result] = {}
    for r in found:
        mode, _, config = r.road.partition(", ")
        key = (r.trainer, r.split, mode if r.good and config else r.road)
        count = int(lines[key].road.split()[1]) + 1 if key in lines else 1
        road = f"{mode}, {count} configs" if r.good and config else r.road
        old = lines.get(key, Result(r.trainer, r.version, r.split, road))
        sums = {name: getattr(old, name) + getattr(r, name) for name in ("rows", "read", "same")}
        lines[key] = Result(**asdict(r) | sums | {"road": road})
    return list(lines.values())


def table(found: list[Result]) -> str:
    lines = [
        "| reader | version | split | road | rows in the release | read | same turns |",
        "|---|---|---|---|---:|---:|---:|",
    ]
    for r in summed(found):
        end = f"{r.read} | {r.same}" if not (r.skipped or r.failed) else f"{r.skipped or r.failed.splitlines()[-1]} | –"
        lines.append(f"| {r.trainer} | {r.version} | {r.split} | {r.road} | {r.rows or '–'} | {end} |")
    return TITLE + "\n".join(lines) + "\n"


def main() -> int:
    every = [*OWN, *trainer_envs.TRAINERS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--release", type=Path, metavar="BUILD", help="folder with ChiMed-SFT and ChiMed-DPO")
    parser.add_argument("--only", default=",".join(every), help="readers, with commas between")
    parser.add_argument("--setup", action="append", choices=list(trainer_envs.TRAINERS), metavar="NAME")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, help="write the table to this file as well")
    args = parser.parse_args()
    if args.setup:
        for name in args.setup:
            trainer_envs.setup(name)
        return 0
    found = list(results(args.release, args.only.split(",")))
    print(json.dumps([asdict(r) | {"good": r.good} for r in found], ensure_ascii=False) if args.json else table(found))
    for result in filter(lambda r: r.failed, found):
        print(f"{result.trainer}, {result.split}, {result.road}:\n{result.failed}", file=sys.stderr)
    if args.out:
        args.out.write_text(table(found), encoding="utf-8")
    return 0 if all(result.good for result in found) else 1


if __name__ == "__main__":
    sys.exit(main())
