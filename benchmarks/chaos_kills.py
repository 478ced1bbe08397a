"""Kills at random moments: after every one the command goes on, and ends with the bytes of a run left in peace."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
HEAVY = {
    "chimed": ("chimed.cli", "chimed.build", "chimed.dedup", "pyarrow.parquet", "orjson"),
    "qilin-stage": ("qilin_stages.cli", "qilin_stages.training.loops", "qilin_stages.evals.runner", "peft"),
}


class Warm:
    """The warm process of one command."""

    def __init__(self, command: str, cache: Path) -> None:
        env = {**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(cache)}
        words = [sys.executable, str(HERE / "chaos_warm.py"), *HEAVY[command]]
        self.command = command
        self.process = subprocess.Popen(words, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, arguments: list[str], log: Path, patience: float | None = None) -> int:
        """Run the command; kill its whole group after `patience` seconds; its exit code, -9 where it was killed."""
        assert self.process.stdin and self.process.stdout
        order = {"command": self.command, "arguments": arguments, "log": str(log)}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        pid = int(self.process.stdout.readline().split()[1])
        if patience is not None:
            time.sleep(patience)
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        return int(self.process.stdout.readline().split()[1])


@contextmanager
def warm(command: str, cache: Path) -> Iterator[Warm]:
    """A warm process that is gone afterwards."""
    running = Warm(command, cache)
    try:
        yield running
    finally:
        assert running.process.stdin
        running.process.stdin.close()
        running.process.wait(60)


@dataclass(frozen=True)
class Victim:
    """A command to kill: its words for an output folder, what of that folder must be the same bytes."""

    name: str
    command: str
    words: Callable[[Path], list[str]]
    kept: Callable[[Path], dict[str, str]]


def digest(paths: list[Path], root: Path) -> dict[str, str]:
    """SHA-256 of files by relative path."""
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(paths)}


SIDE = "local.json"  # a build's side file: when and where it ran, the one file that may differ


def everything(out: Path) -> dict[str, str]:
    """All files but logs, locks, hidden work and the side file."""
    files = [p for p in out.rglob("*") if p.is_file() and not any(s.startswith(".") for s in p.relative_to(out).parts)]
    return digest([p for p in files if p.suffix not in {".log", ".lock"} and p.name != SIDE], out)


def weights(out: Path) -> dict[str, str]:
    """Weights and logged losses of a run."""
    lines = [json.loads(s) for s in (out / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    losses = [(line["step"], line["loss"]) for line in lines if "loss" in line]
    return digest(list((out / "run" / "model").glob("*.safetensors")), out) | {"losses": repr(losses)}


@dataclass
class Killed:
    """What came of it."""

    name: str
    kills: int = 0
    finished: int = 0
    differing: int = 0
    failures: tuple[str, ...] = ()
    seconds: float = 0.0


def hammer(victim: Victim, kills: int, work: Path, seed: int) -> Killed:
    """Kill a command `kills` times over as many runs as that takes; compare every finished run."""
    dice, result = random.Random(f"{seed} {victim.name}"), Killed(victim.name)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    with warm(victim.command, work.parent / "cache") as process:
        expected, usual = _in_peace(victim, process, work)
        result.seconds = usual
        out = work / "killed"
        while result.kills < kills:
            out.mkdir(exist_ok=True)
            if not victim.words(out):  # killed after its last word: the work was done
                _compare(victim, out, expected, result)
                continue
            patience = dice.uniform(0, usual * 1.1) if dice.random() < 0.9 else dice.uniform(0, 0.1)
            code = process.run(victim.words(out), work / "log.txt", patience)
            result.kills += code == -signal.SIGKILL
            if code == 0:
                _compare(victim, out, expected, result)
            elif code != -signal.SIGKILL:
                result.failures += (f"exit {code}: {last_words(work / 'log.txt')}",)
                shutil.rmtree(out)
        out.mkdir(exist_ok=True)
        code = process.run(victim.words(out), work / "log.txt") if victim.words(out) else 0
        if code == 0:
            _compare(victim, out, expected, result)
        else:
            result.failures += (f"exit {code}: {last_words(work / 'log.txt')}",)
    return result


def _in_peace(victim: Victim, process: Warm, work: Path) -> tuple[dict[str, str], float]:
    """Bytes and seconds of a run that nobody disturbs (the second one: the first fills caches)."""
    for name in ("first", "peace"):
        (work / name).mkdir()
        started = time.monotonic()
        if code := process.run(victim.words(work / name), work / "log.txt"):
            raise SystemExit(f"{victim.name}, undisturbed: exit {code}: {last_words(work / 'log.txt')}")
    return victim.kept(work / "peace"), time.monotonic() - started


def _compare(victim: Victim, out: Path, expected: dict[str, str], result: Killed) -> None:
    result.finished += 1
    found = victim.kept(out)
    if found != expected:
        names = sorted(n for n in found.keys() | expected.keys() if found.get(n) != expected.get(n))
        result.differing += 1
        result.failures += (f"differs in {', '.join(names[:5])}",)
    shutil.rmtree(out)


def last_words(log: Path) -> str:
    """The last line of a log, and whether there was a traceback."""
    text = log.read_text(encoding="utf-8", errors="replace").strip() if log.is_file() else ""
    return ("traceback: " if "Traceback" in text else "") + (text.splitlines()[-1] if text else "no word")[:300]
