"""Places that go wrong: a full disk, a read-only folder, two builds in one folder, odd names, Windows line ends."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chaos_kills import Warm, everything, last_words, warm
from chaos_victims import SAMPLE, Victim, victims

LIMITED = (
    "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2); sys.argv = sys.argv[2:]; "
    "from {module} import main; main()"
)
MODULE = {"chimed": "chimed.cli", "qilin-stage": "qilin_stages.cli"}


@dataclass(frozen=True)
class Outcome:
    """One attempt: what was tried, how it ended, whether that is right."""

    what: str
    ended: str
    right: bool


@contextlib.contextmanager
def small_disk(place: Path, kibibytes: int, options: str = "") -> Iterator[bool]:
    """A file system of a given size at `place`, where this user may mount one; says whether it could."""
    place.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k{options}", "tmpfs", str(place)],
                             capture_output=True, check=False).returncode == 0  # fmt: skip
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(place)], check=True)


def ended(code: int, log: Path) -> tuple[str, bool]:
    """How a run that must fail ended, and whether it did so in words with a code of the contract."""
    words = last_words(log)
    return f"exit {code}: {words}", code in {4, 6} and not words.startswith("traceback")


def full_disks(work: Path, sizes: tuple[int, ...]) -> list[Outcome]:
    """Every victim on disks of several sizes (KiB): an error in words, or the right bytes where there was room."""
    out = []
    for victim in victims(work):
        with warm(victim.command, work / "cache") as process:
            peace = work / "room"
            shutil.rmtree(peace, ignore_errors=True)
            peace.mkdir()
            process.run(victim.words(peace), work / "log.txt")
            expected = victim.kept(peace)
            out += [_on_small_disk(victim, process, expected, work, size) for size in sizes]
    return out


def _on_small_disk(victim: Victim, process: Warm, expected: dict[str, str], work: Path, size: int) -> Outcome:
    place, log = work / "disk", work / "log.txt"
    with small_disk(place, size) as mounted:
        how = f"disk of {size:,} KiB" if mounted else f"no file over {size:,} KiB (RLIMIT_FSIZE)"
        if mounted:
            code = process.run(victim.words(place), log)
        else:
            shutil.rmtree(place)
            place.mkdir()
            code = limited(victim, place, log, size * 1024)
        if code:
            words, right = ended(code, log)
            sealed = any(place.rglob("manifest.json"))
            return Outcome(
                f"{victim.name}, {how}", words + (" – a manifest was left" if sealed else ""), right and not sealed
            )
        same = victim.kept(place) == expected
        return Outcome(f"{victim.name}, {how}", "room enough: " + ("the same bytes" if same else "OTHER BYTES"), same)


def limited(victim: Victim, place: Path, log: Path, limit: int) -> int:
    """The command in a process that may write no larger file."""
    code = LIMITED.format(module=MODULE[victim.command])
    with open(log, "w", encoding="utf-8") as file:
        return subprocess.run([sys.executable, "-c", code, str(limit), victim.command, *victim.words(place)], stdout=file,
                              stderr=file, check=False).returncode  # fmt: skip


def read_only(work: Path) -> list[Outcome]:
    """Every victim into a folder where nothing may be written."""
    out, log = [], work / "log.txt"
    for victim in victims(work):
        with small_disk(work / "disk", 1024, ",ro") as mounted, warm(victim.command, work / "cache") as process:
            if not mounted:
                (work / "disk").chmod(0o555)
            if not mounted and os.access(work / "disk", os.W_OK):
                out.append(
                    Outcome(f"{victim.name}, read-only folder", "not tried: this user may write everywhere", True)
                )
                continue
            words, right = ended(process.run(victim.words(work / "disk"), log), log)
            out.append(Outcome(f"{victim.name}, read-only folder", words, right))
    return out


def two_at_once(work: Path, times: int) -> list[Outcome]:
    """Two builds started together in one folder: at least one wins, the folder holds its bytes."""
    build = victims(work)[0]
    command = [sys.executable, "-c", "from chimed.cli import main; main()"]
    peace = work / "room"
    shutil.rmtree(peace, ignore_errors=True)
    subprocess.run([*command, *build.words(peace)], capture_output=True, check=True)
    out = []
    for number in range(times):
        place = work / "two"
        shutil.rmtree(place, ignore_errors=True)
        both = [subprocess.Popen([*command, *build.words(place)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                for _ in range(2)]  # fmt: skip
        errors = [process.communicate()[1] for process in both]
        codes = sorted(process.returncode for process in both)
        same = build.kept(place) == build.kept(peace)
        told = next((e.strip().splitlines()[-1] for e in errors if e.strip()), "").replace(str(place), "OUT")
        right = same and codes in ([0, 0], [0, 4]) and not any("Traceback" in e for e in errors)
        out.append(Outcome(f"two builds at once, {number + 1}", f"exit {codes}, {'the same bytes' if same else 'OTHER BYTES'}"
                           f"{': ' + told if told else ''}", right))  # fmt: skip
    return out


def odd_names(work: Path) -> list[Outcome]:
    """Upstream files under long, Chinese, composed and decomposed names, and with Windows line ends."""
    with warm("chimed", work / "cache") as process:
        plain = _built(process, SAMPLE, work / "plain", work)
        long = work / "/".join(["很长的文件夹名" * 10] * 14)
        names = {
            "output path of " + f"{len(str(long).encode()):,} bytes": (SAMPLE, long),
            "Chinese and blank in the output path": (SAMPLE, work / "输出 目录（测试）"),
            "composed name (NFC)": (SAMPLE, work / unicodedata.normalize("NFC", "résumé é")),
            "decomposed name (NFD)": (SAMPLE, work / unicodedata.normalize("NFD", "résumé é")),
        }
        out = []
        for what, (tree, place) in names.items():
            found = _built(process, tree, place, work)
            out.append(_compared(what, found, plain))
        for what, tree in {
            "upstream files under an NFD folder": _copied(
                work / unicodedata.normalize("NFD", "données"), windows=False
            ),
            "Windows line ends in every text file": _copied(work / "windows", windows=True),
        }.items():
            found = _built(process, tree, work / "odd", work)
            out.append(_counted(what, found, plain))
    return out


def _built(process: Warm, tree: Path, place: Path, work: Path) -> tuple[str, dict[str, str], list[object]]:
    """How a build ended, its bytes, and per source read, kept and lost."""
    shutil.rmtree(place, ignore_errors=True)
    words = ["build", "--split", "all", "--from", str(tree), "--out", str(place)]
    code = process.run(words, work / "log.txt")
    if code:
        return f"exit {code}: {last_words(work / 'log.txt')}", {}, []
    counts = []
    for manifest in sorted(place.glob("*/manifest.json")):
        sources = json.loads(manifest.read_text(encoding="utf-8"))["sources"]
        counts += [[manifest.parent.name, s["source"], s["read"], s["kept"], s["lost"]] for s in sources]
    return "exit 0", everything(place), counts


def _compared(
    what: str, found: tuple[str, dict[str, str], list[object]], plain: tuple[str, dict[str, str], list[object]]
) -> Outcome:
    if found[0] != "exit 0":
        return Outcome(what, found[0], found[0].startswith("exit 6") and "traceback" not in found[0])
    return Outcome(what, "the same bytes" if found[1] == plain[1] else "OTHER BYTES", found[1] == plain[1])


def _counted(
    what: str, found: tuple[str, dict[str, str], list[object]], plain: tuple[str, dict[str, str], list[object]]
) -> Outcome:
    if found[0] != "exit 0":
        return Outcome(what, found[0], False)
    other = [f"{a} instead of {b}" for a, b in zip(found[2], plain[2], strict=True) if a != b]
    return Outcome(what, "the same rows kept and lost" if not other else "; ".join(other)[:300], not other)


def _copied(out: Path, *, windows: bool) -> Path:
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(SAMPLE, out)
    for path in out.rglob("*") if windows else ():
        if path.suffix in {".json", ".jsonl", ".csv", ".txt", ".tsv"}:
            data = path.read_bytes()
            path.write_bytes(data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    return out
