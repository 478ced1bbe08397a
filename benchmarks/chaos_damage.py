"""Damaged files and fuzzed readers: an error in words or named losses, never a traceback."""

from __future__ import annotations

import contextlib
import random
import shutil
import signal
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from chimed import evalsets
from chimed.errors import ChimedError
from chimed.source import BadRow, Skip, Source, discover

SEED_BYTES = 1_500
SLOW = 5
# joined out of core: a hundred times the time of any other reader, so it takes every 25th turn only
RARE, TURNS = "source cpubmed_kg", 25


def truncated(data: bytes, dice: random.Random) -> bytes:
    return data[: dice.randrange(1, max(2, len(data)))]


def noisy(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(max(1, len(data)))
    return data[:at] + dice.randbytes(200) + data[at + 200 :]


def zeroed(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(max(1, len(data)))
    return data[:at] + bytes(4096) + data[at + 4096 :]


def zipped(data: bytes, dice: random.Random) -> bytes:
    return b"PK\x03\x04" + data[4:]


DAMAGE: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "cut short": truncated, "random bytes inside": noisy, "NUL bytes inside": zeroed, "zip magic": zipped,
}  # fmt: skip


def damage(tree: Path, out: Path, how: str, seed: int) -> list[str]:
    """A copy of upstream files with every second one damaged; their names."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(tree, out, symlinks=False)
    dice, hurt = random.Random(seed), []
    files = sorted(p for p in out.rglob("*") if p.is_file() and "eval" not in p.relative_to(out).parts)
    for path in files[seed % 2 :: 2]:
        kind = dice.choice(list(DAMAGE)) if how == "mixed" else how
        path.write_bytes(DAMAGE[kind](path.read_bytes(), dice))
        hurt.append(str(path.relative_to(out)))
    return hurt


# ---- fuzzing ----

TOKENS = (
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b"\n", b"\r\n", b"\r", b"\t", b"\x00", b"\xef\xbb\xbf", b"\xff\xfe", b"null", b"1e999",
    b"-0", b"NaN", b"\\ud800", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b'""', b"[]", b"{}", b'{"a":', "问题：".encode(), "病人：".encode(),
    b"\xe2\x80\xa8", b"\x85", b"\x1a", b"PK\x03\x04", b"\x1f\x8b", b"'", b"id=1", b"Dialogue", b"9" * 400, b"[" * 300,
)  # fmt: skip


def mutated(data: bytes, dice: random.Random) -> bytes:
    """One to six changes of bytes, tokens and stretches."""
    changed = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        at, kind = dice.randrange(len(changed) + 1), dice.randrange(7)
        if kind == 0 and changed:
            changed[at - 1] ^= 1 << dice.randrange(8)
        elif kind == 1:
            del changed[at : at + dice.randint(1, 40)]
        elif kind == 2:
            changed[at:at] = dice.choice(TOKENS)
        elif kind == 3:
            changed[at : at + 8] = dice.choice(TOKENS)
        elif kind == 4:
            changed[at:at] = changed[max(0, at - 60) : at]
        elif kind == 5:
            changed[at : at + 4] = dice.randbytes(4)
        else:
            del changed[at + dice.randrange(200) :]
    return bytes(changed)


@dataclass
class Fuzzed:
    """Inputs per reader, how they ended, and what no reader may do."""

    inputs: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    defects: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class Target:
    """A reader with its parser and a small sound file."""

    name: str
    file: str
    data: bytes
    read: Callable[[Path], Counter[str]]


def targets(sample: Path) -> list[Target]:
    """Every file of the sample's sources and evaluation sets, cut to a few rows where the format allows it."""
    found = []
    for source in discover().values():
        place = source.place(sample)
        for file in source.reader.find(place):
            found.append(Target(f"source {source.name}", file, _small(place / file), _of_source(source)))
    for place in sorted((sample / "eval").iterdir()):
        for path in sorted(p for p in place.iterdir() if p.suffix in {".csv", ".json", ".jsonl", ".zip", ".xlsx"}):
            found.append(Target(f"evaluation set {place.name}", path.name, _small(path), _of_set(place.name)))
    return found


def _small(path: Path) -> bytes:
    data = path.read_bytes()
    if data.lstrip(b"\xef\xbb\xbf \n")[:1] == b"[" or data[:2] == b"PK" or len(data) <= SEED_BYTES:
        return data[: 20 * SEED_BYTES]
    end = data.find(b"\n", SEED_BYTES)
    return data[: end + 1 if end >= 0 else None]


def _of_source(source: Source) -> Callable[[Path], Counter[str]]:
    def read(folder: Path) -> Counter[str]:
        ends: Counter[str] = Counter()
        files = source.reader.find(folder)
        if source.reader.faults(folder, files):
            return Counter({"file refused": 1})
        for row in source.reader.read(folder, files):
            if isinstance(row, BadRow):
                ends["rows lost by the reader"] += 1
                continue
            try:
                source.parse(row)
                ends["rows read"] += 1
            except Skip:
                ends["rows lost by the parser"] += 1
        return ends

    return read


def _of_set(name: str) -> Callable[[Path], Counter[str]]:
    def read(folder: Path) -> Counter[str]:
        try:
            return Counter({"items read": sum(1 for _ in evalsets.read_items(folder.parent, name))})
        except ChimedError:
            return Counter({"file refused": 1})

    return read


class TooSlow(Exception):
    """A small input took seconds."""


def _too_slow(*_: object) -> None:
    raise TooSlow(f"more than {SLOW} CPU-seconds for one small input")


def fuzz(sample: Path, inputs: int, seed: int) -> Fuzzed:
    """Mutate every target in turn until `inputs` were read; anything but words and losses is a defect, told once."""
    result, dice, known = Fuzzed(), random.Random(seed), targets(sample)
    started = time.monotonic()
    before = signal.signal(signal.SIGPROF, _too_slow)
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as temporary:
        places = {t: _place(Path(temporary), i, t) for i, t in enumerate(known)}
        for number, target in enumerate(_turns(known)):
            if number == inputs:
                break
            _one(target, places[target], mutated(target.data, dice), result)
    signal.signal(signal.SIGPROF, before)
    result.seconds = time.monotonic() - started
    return result


def _turns(known: list[Target]) -> Iterator[Target]:
    """Targets round and round."""
    for turn in count():
        yield from (target for target in known if target.name != RARE or turn % TURNS == 0)


def _place(root: Path, number: int, target: Target) -> Path:
    folder = root / str(number) / target.name.split()[-1]
    (folder / target.file).parent.mkdir(parents=True)
    return folder


def _one(target: Target, folder: Path, data: bytes, result: Fuzzed) -> None:
    (folder / target.file).write_bytes(data)
    result.inputs[target.name] += 1
    signal.setitimer(signal.ITIMER_PROF, SLOW)
    try:
        with contextlib.suppress(ChimedError):
            result.ended.update(target.read(folder))
    except Exception as error:  # noqa: BLE001 - what is looked for
        last = traceback.extract_tb(error.__traceback__)[-1]
        key = f"{target.name}: {type(error).__name__} in {Path(last.filename).name}:{last.lineno}"
        result.defects.setdefault(key, f"{str(error)[:120]} input {data[:200]!r}")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
