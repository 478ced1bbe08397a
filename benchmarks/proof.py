"""`make proof`: the paper's claim in miniature on real text, trained and measured through the real commands.

    python benchmarks/proof.py [--from DIR] [--work DIR] [--minutes M]

Builds the three splits (decontaminated, one textbook held back), makes a model of five million parameters, trains
base -> CPT -> SFT -> DPO and two ablations (no CPT, no deduplication) and evaluates them all. Steps and items follow
from the minutes and the measured speed; a killed run goes on where it was. PROOF.md says what came out.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import proof_page
import proof_tree

HERE = Path(__file__).resolve().parent
MAIN = {
    "chimed": ["-c", "from chimed.cli import main; main()"],
    "qilin-stage": ["-m", "qilin_stages"],
    "scores": [str(HERE / "proof_scores.py")],
}
RELEASES = {"cpt": "ChiMed-CPT", "sft": "ChiMed-SFT", "dpo": "ChiMed-DPO"}
SHAPE = ["--vocabulary", "4608", "--hidden", "256", "--layers", "4"]
RECIPES = {
    "cpt": 'name = "proof"\n',
    "sft": 'name = "proof"\n[mixture]\nmedical_to_general = "4:1"\n',
    "dpo": 'name = "proof"\nvalidation = 0.3\n',
}
BATCH_TOKENS = {"cpt": 2048, "sft": 2048, "dpo": 3600}
# shares of the whole time (cpt), and of what is left after it (the others)
SHARES = {"cpt": 0.36, "sft": 0.25, "dpo": 0.14, "eval": 0.13}
OVERRIDES = {
    "cpt": ["train.per_device_train_batch_size=4", "train.learning_rate=2e-3"],
    "sft": ["train.per_device_train_batch_size=4", "train.learning_rate=1e-3", "adapter.kind=none"],
    "dpo": ["train.per_device_train_batch_size=4", "train.learning_rate=5e-4", "train.num_train_epochs=1"],
}
CHAIN = ("base", "cpt", "sft", "dpo")


@dataclass
class Job:
    """One resumable piece of work, the names of those it waits for, and what it does."""

    name: str
    needs: tuple[str, ...]
    work: Callable[[], None]


@dataclass
class Proof:
    """Where things lie, how long it may take, and what took how long."""

    given: Path
    work: Path
    minutes: float
    started: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, command: str, *arguments: object) -> None:
        """Run a command on one core; its output goes to log.txt, its last words are told where it fails."""
        words = [str(a) for a in arguments]
        env = {"OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(self.work / "cache"), **os.environ}
        done = subprocess.run([sys.executable, *MAIN[command], *words], capture_output=True, text=True, env=env,
                              check=False)  # fmt: skip
        with self.lock, open(self.work / "log.txt", "a", encoding="utf-8") as log:
            log.write(f"$ {command} {' '.join(words)}\n{done.stdout}{done.stderr}\n")
        if done.returncode:
            raise SystemExit(f"{command} {' '.join(words)}: exit {done.returncode}\n{done.stderr[-2000:]}")

    def build(self, name: str, *options: str) -> None:
        """One split, into releases/NAME."""
        out = self.work / "releases" / name
        split = name.split("-")[0]
        recipe = self.work / f"{split}.toml"
        recipe.write_text(RECIPES[split], encoding="utf-8")
        if not (out / RELEASES[split] / "manifest.json").is_file():
            self.run("chimed", "build", "--split", split, "--from", self.work / "tree", "--recipe", recipe, "--out",
                     out, *options)  # fmt: skip

    def release(self, name: str) -> Path:
        """The folder of a built split."""
        return self.work / "releases" / name / RELEASES[name.split("-")[0]]

    def base(self) -> None:
        """The tiny model and its tokenizer."""
        if not (self.work / "base" / "config.json").is_file():
            self.run("qilin-stage", "tiny", self.work / "base", "--data", *map(self.release, RELEASES), *SHAPE)

    def plan(self) -> None:
        """Measure this machine's speed on a few steps; settle the steps of CPT."""
        place = self.work / "plan.json"
        if place.is_file():
            if self.planned()["minutes"] != self.minutes:
                raise SystemExit(f"{place}: planned for other minutes. Give the same --minutes, or another --work.")
            return
        self.train("cpt", "base", "trial", 12)
        found = speed(self.work / "trial")
        write(place, {"minutes": self.minutes, "steps": {"cpt": self.steps("cpt", found, self.left())}})
        print(f"plan: {self.planned()} at {found:.0f} tokens/s", flush=True)

    def plan_rest(self) -> None:
        """Settle the other stages' steps and the items to ask, from the time that is left and the speed of CPT."""
        plan = self.planned()
        if "items" in plan:
            return
        found, left = speed(self.work / "cpt"), self.left()
        plan["tokens_per_second"] = round(found)
        plan["steps"] |= {stage: self.steps(stage, found, left) for stage in ("sft", "dpo")}
        plan["items"] = max(8, min(300, int((left * SHARES["eval"] - 20) * found / 3000)))
        write(self.work / "plan.json", plan)
        print(f"plan: {plan}", flush=True)

    def left(self) -> float:
        """Seconds until the planned end, less what the tables take; at least a minute."""
        return max(60.0, self.minutes * 60 - (time.monotonic() - self.started) - 40)

    @staticmethod
    def steps(stage: str, speed_: float, left: float) -> int:
        """Steps of a stage in its share of the time, its start not counted."""
        return max(8, int((left * SHARES[stage] - 15) * speed_ / BATCH_TOKENS[stage]))

    def planned(self) -> dict[str, Any]:
        """What was settled."""
        plan: dict[str, Any] = json.loads((self.work / "plan.json").read_text(encoding="utf-8"))
        return plan

    def train(self, stage: str, parent: str, name: str, steps: int | None = None, release: str | None = None) -> None:
        """One stage; a half-done run is resumed, a done one is left alone. Only DPO looks at its validation part."""
        out = self.work / name
        if status(out) == "done":
            return
        every = steps or self.planned()["steps"][stage]
        saves, looks = max(1, every // 3), max(1, every // 3) if stage == "dpo" else every + 1
        self.run("qilin-stage", "run", stage, "-r", "tiny", "--data", self.release(release or stage), "--model",
                 self.work / parent, "--out", out, *(["--resume"] if status(out) else []), *OVERRIDES[stage],
                 f"train.max_steps={every}", f"train.logging_steps={max(1, min(10, every // 6))}",
                 f"train.eval_steps={looks}", f"train.save_steps={saves}", "held_out=0")  # fmt: skip

    def scores(self, name: str) -> None:
        """Perplexity and preference of one model."""
        out = self.work / "scores" / f"{name}.json"
        out.parent.mkdir(exist_ok=True)
        if not out.is_file():
            self.run("scores", self.work / name, "--tree", self.work / "tree", "--pairs", self.release("dpo"),
                     "--passages", max(100, self.planned()["items"]), "--out", out)  # fmt: skip

    def evaluate(self, *names: str, out: str) -> None:
        """Answers of models; answers given to each alone are taken over, so that several only means tables."""
        items = self.planned()["items"]
        models, data = [self.work / name for name in names], self.work / "tree" / "eval"
        kinds = [("text", "cmexam,cmexam-explanation,huatuo", items), ("ceval", "ceval", max(1, items // 60))]
        for kind, tasks, limit in kinds if "sft-alone" not in names else kinds[:1]:
            target = self.work / "evaluation" / out / kind
            for name in names if len(names) > 1 else ():
                before = self.work / "evaluation" / name / kind / "answers"
                shutil.copytree(before, target / "answers", dirs_exist_ok=True)
            if not (target / "results.json").is_file():
                self.run("qilin-stage", "eval", *models, "-t", tasks, "--data", data, "--limit", limit, "--out", target)

    def measured(self, name: str) -> None:
        """Everything about one model."""
        self.scores(name)
        self.evaluate(name, out=name)


def speed(run: Path) -> float:
    """Trained tokens per second of a run, its first logged step and looks at the validation part left out."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    steady = [line for line in lines if "loss" in line]
    looked = sum(line["eval_runtime"] for line in lines[: lines.index(steady[-1])] if "eval_runtime" in line)
    return float((steady[-1]["tokens"] - steady[0]["tokens"]) / (steady[-1]["seconds"] - steady[0]["seconds"] - looked))


def status(run: Path) -> str | None:
    """How a run stands by its run.json; None where there is none."""
    file = run / "run.json"
    return str(json.loads(file.read_text(encoding="utf-8"))["status"]) if file.is_file() else None


def jobs(p: Proof) -> list[Job]:
    """All work, the long chain first."""
    tree = p.work / "tree"
    first = [
        Job("tree", (), lambda: None if tree.is_dir() else write(p.work / "taken.json", proof_tree.compose(p.given, tree))),
        *(Job(f"build {s}", ("tree",), lambda s=s: p.build(s)) for s in RELEASES),  # type: ignore[misc]
        Job("base", tuple(f"build {s}" for s in RELEASES), p.base),
        Job("plan", ("base",), p.plan),
        Job("build cpt-repeats", ("tree",), lambda: p.build("cpt-repeats", "--dedup", "off")),
    ]  # fmt: skip
    chain = [
        Job("cpt", ("plan",), lambda: p.train("cpt", "base", "cpt")),
        Job("cpt-repeats", ("plan", "build cpt-repeats"), lambda: p.train("cpt", "base", "cpt-repeats", None, "cpt-repeats")),
        Job("plan the rest", ("cpt",), p.plan_rest),
        Job("sft", ("plan the rest",), lambda: p.train("sft", "cpt", "sft")),
        Job("dpo", ("sft",), lambda: p.train("dpo", "sft", "dpo")),
        Job("sft-alone", ("plan the rest",), lambda: p.train("sft", "base", "sft-alone")),
    ]  # fmt: skip
    models = [*CHAIN[1:], "sft-alone"]
    measures = [Job(f"measure {m}", (m, "plan the rest"), lambda m=m: p.measured(m)) for m in models]  # type: ignore[misc]
    measures += [Job("measure base", ("plan the rest",), lambda: p.measured("base")),
                 Job("measure cpt-repeats", ("cpt-repeats", "plan the rest"), lambda: p.scores("cpt-repeats"))]  # fmt: skip
    return first + chain + measures


def write(place: Path, value: object) -> None:
    """JSON to a file."""
    place.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def work_off(todo: list[Job], lanes: int) -> None:
    """Do the jobs, several at a time, each when what it needs is done; the first failure ends all."""
    done: set[str] = set()
    running: set[str] = set()
    failed: list[BaseException] = []
    turn = threading.Condition()

    def lane() -> None:
        while True:
            with turn:
                job = None
                while not failed and len(done) < len(todo):
                    job = next((j for j in todo if j.name not in done | running and set(j.needs) <= done), None)
                    if job:
                        break
                    turn.wait()
                if failed or job is None:
                    return
                running.add(job.name)
            start = time.monotonic()
            try:
                job.work()
            except BaseException as error:  # noqa: BLE001 - handed to the caller
                failed.append(error)
            with turn:
                running.discard(job.name)
                done.add(job.name)
                turn.notify_all()
            print(f"{time.strftime('%H:%M:%S')} {job.name}: {time.monotonic() - start:.0f} s", flush=True)

    threads = [threading.Thread(target=lane) for _ in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--from", dest="given", type=Path, default=HERE.parent.parent / "shared/upstream/dev")
    parser.add_argument("--work", type=Path, default=Path("build/proof"))
    parser.add_argument("--minutes", type=float, default=38)
    parser.add_argument("--out", type=Path, default=HERE / "PROOF.md")
    asked = parser.parse_args()
    if not asked.given.is_dir():
        raise SystemExit(f"{asked.given}: the upstream files are not here. Name their folder with --from.")
    asked.work.mkdir(parents=True, exist_ok=True)
    proof = Proof(asked.given.resolve(), asked.work.resolve(), asked.minutes)
    work_off(jobs(proof), 2)
    proof.evaluate(*CHAIN, out="chain")
    proof.evaluate("sft-alone", "sft", out="alone")
    proof_page.write_page(proof.work, asked.out)
    print(asked.out)


if __name__ == "__main__":
    main()
