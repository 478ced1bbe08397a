"""`make demo-train`: the whole chain on the packaged sample with a tiny model on a CPU, each command shown as typed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

COMMANDS = """
tiny {out}/tiny --data sample
plan cpt -r tiny --data sample --model {out}/tiny
run cpt -r tiny --data sample --model {out}/tiny --out {out}/cpt-run
run sft -r tiny --data sample --model {out}/cpt-run --out {out}/sft-run
run dpo -r tiny --data sample --model {out}/sft-run --out {out}/dpo-run
report {out}/cpt-run {out}/sft-run {out}/dpo-run --out {out}/report.html
"""


def main(out: Path = Path("build/train")) -> int:
    """Run the chain into `out`, from the start; the exit code of the first command that fails, else 0."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for line in COMMANDS.strip().format(out=out).splitlines():
        print(f"$ qilin-stage {line}", flush=True)  # noqa: T201
        done = subprocess.run([sys.executable, "-m", "qilin_stages", *line.split()], check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
