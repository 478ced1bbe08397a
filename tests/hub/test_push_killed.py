"""A push that is killed at any moment leaves the old state or the new one; memory does not grow with the files."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hub.loopback import WRITE, Hub
from hub.repos import Commit

KILLS = 50
VERSIONS = 13
HERE = Path(__file__).resolve().parent


def environment(hub: Hub, folder: Path) -> dict[str, str]:
    return os.environ | {"HF_ENDPOINT": hub.endpoint, "HF_TOKEN": WRITE, "HF_HOME": str(folder / "home"),
                         "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}  # fmt: skip


class Pusher:
    """The warm process; `push` runs one push and kills it after `patience` seconds."""

    def __init__(self, hub: Hub, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "pusher.py")], env=environment(hub, folder), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def push(self, folder: Path, patience: float | None = None) -> int:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{folder} org/X\n")
        self.process.stdin.flush()
        pid = int(self.process.stdout.readline().split()[1])
        if patience is not None:
            time.sleep(patience)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return int(self.process.stdout.readline().split()[1])


@pytest.fixture
def pusher(hub: Hub, tmp_path: Path) -> Iterator[Pusher]:
    running = Pusher(hub, tmp_path)
    yield running
    assert running.process.stdin
    running.process.stdin.close()
    running.process.wait(30)


def whole(commit: Commit) -> bool:
    """Whether a commit holds exactly the files of its own manifest."""
    if set(commit.tree) == {".gitattributes"}:
        return True
    listed = {file["path"]: file["sha256"] for file in json.loads(commit.tree["manifest.json"].data)["files"]}
    same = all(commit.tree[n].sha256 in ("", digest) for n, digest in listed.items())
    return same and set(commit.tree) == {*listed, "manifest.json", ".gitattributes"}


def folders(root: Path, dice: random.Random) -> list[Path]:
    """Versions of a folder: some shards change, some come, some go."""
    made = []
    for version in range(VERSIONS):
        folder = root / f"v{version}"
        folder.mkdir()
        (folder / "README.md").write_text(f"---\nlicense: mit\n---\n\n# {version}\n", encoding="utf-8")
        for shard in range(3 + dice.randrange(4)):
            (folder / f"shard-{shard}.parquet").write_bytes(dice.randbytes(2000) if shard % 2 else b"same" * shard)
        made.append(folder)
    return made


def test_fifty_kills_leave_old_or_new(hub: Hub, pusher: Pusher, tmp_path: Path) -> None:
    dice = random.Random(7)
    versions = folders(tmp_path, dice)
    assert pusher.push(versions[0]) == 0
    kills, usual = 0, 1.0
    for number, folder in enumerate(versions[1:], start=2):
        while kills < KILLS * (number - 2) / (VERSIONS - 2):
            kills += pusher.push(folder, dice.uniform(0, usual)) == -signal.SIGKILL
            assert all(whole(commit) for commit in hub.repo("org/X").commits.values())
        started = time.monotonic()
        assert pusher.push(folder) == 0
        usual = time.monotonic() - started if number == 2 else usual
        assert len(hub.repo("org/X").history("main")) == number + 1
    repo = hub.repo("org/X")
    assert repo.tags == {f"v{VERSIONS - 1 - n}": c.oid for n, c in enumerate(repo.history("main")[:-1])}
    assert kills >= KILLS


PEAK = """
import sys
from pathlib import Path
from chimed.hub import publish_folder
publish_folder(Path(sys.argv[1]), "org/big" + sys.argv[2])
print(next(line.split()[1] for line in open("/proc/self/status", encoding="utf-8") if line.startswith("VmHWM")))
"""


def test_memory_does_not_grow_with_the_files(hub: Hub, tmp_path: Path) -> None:
    peaks = []
    for size in (1, 96):
        folder = tmp_path / str(size)
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(random.Random(size).randbytes(2**20) * size)
        words = [sys.executable, "-c", PEAK, str(folder), str(size)]
        ran = subprocess.run(words, env=environment(hub, tmp_path), capture_output=True, text=True, check=True)
        peaks.append(int(ran.stdout))
    assert peaks[1] - peaks[0] < 32 * 1024
