"""`make demo-train`: the sample's splits, a tiny model, the three stages, their evaluation; every command is shown.

Everything goes to build/demo-train, which is made anew. The figures show that the road works from end to end; a model
this small, trained for minutes on a made-up sample, knows no medicine.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

from chimed.console import print_table
from chimed.errors import DataError
from qilin_stages.evals import tables

OUT = Path("build/demo-train")
STAGES = {"cpt": "ChiMed-CPT", "sft": "ChiMed-SFT", "dpo": "ChiMed-DPO"}
QUESTION = "感冒了怎么办？"
_MAIN = {"chimed": "from chimed.cli import main; main()", "qilin-stage": "from qilin_stages.cli import main; main()"}


def main() -> None:
    """Build, train, evaluate, and print the losses, the tables and where the report lies."""
    started = time.monotonic()
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    say("1. The data: three splits of the packaged sample.")
    run("chimed", "build", "--split", "all", "--sample", "--out", str(OUT))
    say("2. A tiny Llama-shaped model and a tokenizer learnt from these splits.")
    run("qilin-stage", "tiny", str(OUT / "base"), "--data", *(str(OUT / name) for name in STAGES.values()))
    say("3. The paper's three stages, each from the run before it.")
    train()
    say("4. All four models on the sample's miniature evaluation sets.")
    evaluate()
    runs = [str(OUT / stage) for stage in STAGES]
    run("qilin-stage", "report", *runs, str(OUT / "evaluation"), "--out", str(OUT / "report.html"))
    say(f"Done in {time.monotonic() - started:.0f} s. Curves and tables: {OUT / 'report.html'}. "
        f"Talk to it: qilin-stage chat {OUT / 'dpo'}")  # fmt: skip


def say(text: str) -> None:
    """One line of the story on stdout."""
    print(f"\n{text}", flush=True)  # noqa: T201


def run(command: str, *arguments: str) -> None:
    """Show a command, run it as a user would, and keep its output in a log; its last words are told where it fails."""
    print(f"  $ {command} {' '.join(arguments)}", flush=True)  # noqa: T201
    threads = {"OMP_NUM_THREADS": str(os.cpu_count() or 1)}
    done = subprocess.run([sys.executable, "-c", _MAIN[command], *arguments], capture_output=True, text=True,
                          env={**threads, **os.environ}, check=False)  # fmt: skip
    with open(OUT / "log.txt", "a", encoding="utf-8") as log:
        log.write(f"$ {command} {' '.join(arguments)}\n{done.stdout}{done.stderr}\n")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise DataError(f"{command} {arguments[0]} ended with {done.returncode}: {last} All of it: {OUT / 'log.txt'}")


def train() -> None:
    """cpt, sft and dpo with the packaged recipe `tiny`; then what each stage's metrics say."""
    model, rows = OUT / "base", []
    for stage, release in STAGES.items():
        place = OUT / stage
        run("qilin-stage", "run", stage, "-r", "tiny", "--data", str(OUT / release), "--model", str(model), "--out",
            str(place))  # fmt: skip
        rows.append([stage, *learnt(place)])
        model = place
    head = ["stage", "steps", "loss, first", "loss, last", "accuracy, first", "accuracy, last", "tokens/s"]
    print_table("What each stage learnt (dpo: share of pairs in which the better reply gains more)", head, rows)


def learnt(place: Path) -> list[Any]:
    """Steps, first and last training loss and preference accuracy, and speed, from a run's metrics."""
    lines = [json.loads(line) for line in (place / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    pairs = [f"{line['accuracy']:.2f}" for line in lines if "accuracy" in line] or [""]
    speed = [line["tokens_per_second"] for line in lines if "tokens_per_second" in line]
    return [lines[-1]["step"], f"{losses[0]:.3f}", f"{losses[-1]:.3f}", pairs[0], pairs[-1], int(speed[-1])]


def evaluate() -> None:
    """The paper's tables for base, cpt, sft and dpo, and one question to all of them."""
    sets, models = str(files("chimed") / "sample" / "eval"), [str(OUT / name) for name in ("base", *STAGES)]
    tasks = "cmexam,cmexam-explanation,ceval,huatuo"
    run("qilin-stage", "eval", *models, "-t", tasks, "--data", sets, "--out", str(OUT / "evaluation"))
    results = json.loads((OUT / "evaluation" / "results.json").read_text(encoding="utf-8"))
    for result in results["tasks"]:
        title = f"Like the paper's {result['paper']['table']}: {result['task']}, n = {result['n']}"
        print_table(title, ["", "name", "n", *tables.columns(result)], tables.body(result))
    (OUT / "question.txt").write_text(QUESTION + "\n", encoding="utf-8")
    answers = OUT / "answers.md"
    run("qilin-stage", "compare", *models, "-p", str(OUT / "question.txt"), "--out", str(answers))
    say(answers.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
