"""A warm process that runs commands in forked children, so that they start at once and can be killed at any moment.

    python chaos_warm.py MODULE...

Reads JSON `{"command", "arguments", "log"}` from stdin; answers `pid N` and, when the child is gone, `ended CODE`.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback


def child(command: str, arguments: list[str], log: str) -> None:
    """Run the command in a process group of its own; its output goes to a file."""
    os.setsid()
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    sys.argv = [command, *arguments]
    code = 1
    try:
        importlib.import_module({"chimed": "chimed.cli", "qilin-stage": "qilin_stages.cli"}[command]).main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - what a user would see
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(code)


def main() -> None:
    for name in sys.argv[1:]:
        importlib.import_module(name)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            child(**order)
        print(f"pid {pid}", flush=True)
        print(f"ended {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}", flush=True)


if __name__ == "__main__":
    main()
