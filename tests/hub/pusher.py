"""Pushes releases in children of one warm process, so that a test can kill a push at any moment.

Reads `RELEASE REPO` lines from stdin; answers `pid N` when the child starts and `ended CODE` when it is gone.
"""

import os
import sys
import traceback
from pathlib import Path

import datasets  # noqa: F401  (warm: the child starts at once)

from chimed.hub import push_to_hub
from chimed.release import open_release


def child(release: str, repo: str) -> None:
    try:
        push_to_hub(open_release(Path(release)), repo, tag=Path(release).parent.name)
        os._exit(0)
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
        os._exit(1)


for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        child(*line.split())
    print(f"pid {pid}", flush=True)
    print(f"ended {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}", flush=True)
