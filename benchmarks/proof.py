"""`make proof`: the paper's claim in miniature on real text, trained and measured through the real commands.

    python benchmarks/proof.py [--from DIR] [--work DIR] [--minutes M]

Builds the three splits (decontaminated, one textbook held back), makes a model of five million parameters, trains
base -> CPT -> SFT -> DPO and three runs for the ablations (no CPT, short CPT with and without deduplication) and
measures them all. The steps are settled once, from the minutes and the measured speed of a core, so that a shared
machine makes the run longer and not weaker; a killed run goes on where it was. PROOF.md says what came out.
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import proof_page
import proof_tree
from proof_lanes import Job, work_off

HERE = Path(__file__).resolve().parent
MAIN = {
    "chimed": ["-c", "from chimed.cli import main; main()"],
    "qilin-stage": ["-m", "qilin_stages"],
    "scores": [str(HERE / "proof_scores.py")],
    "speed": [str(HERE / "proof_speed.py")],
    "decoding": [str(HERE / "proof_decoding.py")],
}
RELEASES = {"cpt": "ChiMed-CPT", "sft": "ChiMed-SFT", "dpo": "ChiMed-DPO"}
SHAPE = ["--vocabulary", "4608", "--hidden", "256", "--layers", "4"]
RECIPES = {
    "cpt": 'name = "proof"\n',
    "sft": """name = "proof"
validation = 0.03
[mixture]
medical_to_general = "10:1"
[mixture.sources]
cmexam_explanation = { times = 2 }
chinese_medical_dialogue = { share = 0.5 }
""",
    "dpo": 'name = "proof"\nvalidation = 0.4\n',
}
# What runs are planned, the stage of each, its share of the minutes; DPO's steps are passes over its few pairs
STAGES = {"cpt": "cpt", "cpt-short": "cpt", "cpt-repeats": "cpt", "sft": "sft", "sft-alone": "sft", "dpo": "dpo"}
SHARES = {"cpt": 0.4, "cpt-short": 0.08, "cpt-repeats": 0.08, "sft": 0.45, "sft-alone": 0.45}
TOKENS = 512  # of a step of CPT and SFT
DPO_STEPS = 120
ITEMS = 200
ALL = ["adapter.kind=none", "train.extra.adam_beta2=0.95"]
OVERRIDES = {
    "cpt": [*ALL, "train.per_device_train_batch_size=1", "train.learning_rate=1e-3"],
    "sft": [*ALL, "train.per_device_train_batch_size=1", "train.learning_rate=7e-4"],
    "dpo": [*ALL, "train.per_device_train_batch_size=4", "train.learning_rate=3e-4", "beta=0.1"],
}
CHAIN = ("base", "cpt", "sft", "dpo")


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

    def decoding(self) -> None:
        """Choose how all models decode, by the SFT model on validation rows."""
        out = self.work / "decoding.json"
        if not out.is_file():
            self.run("decoding", self.work / "sft", "--data", self.release("sft"), "--out", out)

    def decoded(self, name: str) -> Path:
        """A model's files with the chosen decoding beside them; the run itself stays as it was sealed."""
        model = self.work / name if name == "base" else self.work / name / "model"
        out = self.work / "decoded" / name
        shutil.copytree(model, out, dirs_exist_ok=True)
        place = out / "generation_config.json"
        chosen = json.loads((self.work / "decoding.json").read_text(encoding="utf-8"))["chosen"]
        write(place, json.loads(place.read_text(encoding="utf-8")) | chosen)
        return out

    def plan(self) -> None:
        """Measure what a core can do and settle the steps of all runs; they hold, however long it takes."""
        place = self.work / "plan.json"
        if place.is_file():
            if self.planned()["minutes"] != self.minutes:
                raise SystemExit(f"{place}: planned for other minutes. Give the same --minutes, or another --work.")
            return
        measured = self.work / "speed.json"
        self.run("speed", self.work / "base", "--tokens", TOKENS, "--out", measured)
        found = json.loads(measured.read_text(encoding="utf-8"))["tokens_per_second"]
        plan = {"minutes": self.minutes, "tokens_per_second": found, "items": ITEMS,
                "steps": {name: max(20, int(self.minutes * 60 * share * found / TOKENS))
                          for name, share in SHARES.items()}}  # fmt: skip
        plan["steps"]["dpo"] = DPO_STEPS
        write(place, plan)
        print(f"plan: {plan}", flush=True)

    def planned(self) -> dict[str, Any]:
        """What was settled."""
        plan: dict[str, Any] = json.loads((self.work / "plan.json").read_text(encoding="utf-8"))
        return plan

    def train(self, name: str, parent: str) -> None:
        """One run as planned; a half-done one is resumed, a done one is left alone."""
        out, stage = self.work / name, STAGES[name]
        if status(out) == "done":
            return
        every = self.planned()["steps"][name]
        data = self.release(name if name == "cpt-repeats" else stage)
        self.run("qilin-stage", "run", stage, "-r", "tiny", "--data", data, "--model", self.work / parent, "--out", out,
                 *(["--resume"] if status(out) else []), *OVERRIDES[stage], f"train.max_steps={every}",
                 f"train.logging_steps={max(1, every // 50)}", f"train.eval_steps={max(1, every // 3)}",
                 f"train.save_steps={max(1, every // 8)}", "held_out=0")  # fmt: skip

    def scores(self, name: str) -> None:
        """Perplexity and preference of one model."""
        out = self.work / "scores" / f"{name}.json"
        out.parent.mkdir(exist_ok=True)
        if not out.is_file():
            self.run("scores", self.work / name, "--tree", self.work / "tree", "--pairs", self.release("dpo"),
                     "--passages", self.planned()["items"], "--out", out)  # fmt: skip

    def evaluate(self, *names: str, out: str) -> None:
        """Answers of models; answers given to each alone are taken over, so that several only means tables."""
        items = self.planned()["items"]
        models, data = [self.decoded(name) for name in names], self.work / "tree" / "eval"
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
    parents = {
        "cpt": "base",
        "sft": "cpt",
        "dpo": "sft",
        "cpt-short": "base",
        "cpt-repeats": "base",
        "sft-alone": "base",
    }
    runs = [
        Job(name, ("plan", *([parent] if parent != "base" else []), *(["build cpt-repeats"] if name == "cpt-repeats" else [])),
            lambda name=name, parent=parent: p.train(name, parent))  # type: ignore[misc]
        for name, parent in parents.items()
    ]  # fmt: skip
    measures = [Job("decoding", ("sft",), p.decoding)]
    measures += [Job(f"measure {m}", (m, "decoding"), lambda m=m: p.measured(m)) for m in (*CHAIN, "sft-alone")]  # type: ignore[misc]
    measures += [Job(f"measure {m}", (m,), lambda m=m: p.scores(m)) for m in ("cpt-short", "cpt-repeats")]  # type: ignore[misc]
    return first + runs + measures


def write(place: Path, value: object) -> None:
    """JSON to a file."""
    place.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


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
