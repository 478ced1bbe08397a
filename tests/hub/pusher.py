"""Pushes folders in children of one warm process, so that a test can kill a push at any moment.

Reads `FOLDER REPO` lines from stdin; answers `pid N` when the child starts and `ended CODE` when it is gone.
"""

import os
import sys
import traceback
from pathlib import Path

import huggingface_hub.hf_api  # noqa: F401  (warm: the child starts at once)

from chimed.hub import publish_folder


def child(folder: str, repo: str) -> None:
    try:
        publish_folder(Path(folder), repo, repo_type="dataset", tag=Path(folder).name)
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
