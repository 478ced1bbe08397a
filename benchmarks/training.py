"""Training speed side by side: ours, TRL as it comes and at its best, and others' own scripts where they are given.

One model (random Llama), one data set, the same rows once over in the same order, eight rows per optimizer step where
the loop can, one pinned core. Counted are learnt tokens per CPU-second of the training loop alone; training and held-out
loss say that equal work was done. MedicalGPT runs in this environment, which then needs loguru too (PYTHONPATH will do);
LLaMA-Factory needs an environment of its own: pip install 'torch>=2.13,<2.14' llamafactory==0.9.5
(torchvision and torchaudio removed where they do not fit that torch, an empty module torchaudio in its place).

    python benchmarks/training.py --out DIR --sft RELEASE --dpo RELEASE [--medicalgpt CLONE] [--llamafactory PYTHON]
        [--rows 64] [--pairs 24] [--rounds 2] [--only ARM ...] [--write] [--assemble]

`--write` puts the page into benchmarks/results/; `--assemble` does so from the figures of the last run in DIR.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from training_arms import ARMS, run_arm
from training_page import Results, page
from training_peers import commit, figures, llamafactory, medicalgpt, versions
from training_rows import choose, held_out_loss, lengths, rows_of, split_of

HERE = Path(__file__).resolve().parent
PEERS = {"medicalgpt": ("medicalgpt", "medicalgpt-fast"),
         "llamafactory": ("llamafactory", "llamafactory-fast", "llamafactory-neat")}  # fmt: skip


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sft", default="sample")
    parser.add_argument("--dpo", default="sample")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--pairs", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--medicalgpt", type=Path, help="a clone of MedicalGPT")
    parser.add_argument("--llamafactory", type=Path, help="the python of an environment with LLaMA-Factory")
    parser.add_argument("--only", nargs="*", help="arms to run; all if none")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/training.md")
    parser.add_argument("--assemble", action="store_true", help="run nothing, write the page of the last run")
    parser.add_argument("--arm", help=argparse.SUPPRESS)
    return parser.parse_args()


def prepare(args: argparse.Namespace) -> None:
    """The model and its tokenizer, learnt from the data, once; and the rows."""
    from qilin_stages.data.split import open_data
    from qilin_stages.model.tiny import make

    if not (args.out / "model" / "config.json").is_file():
        data = [open_data(args.sft, "sft"), open_data(args.dpo, "dpo")]
        make(args.out / "model", data, vocabulary=8192, hidden=384, layers=8)
    choose("sft", args.sft, args.out, args.rows)
    choose("dpo", args.dpo, args.out, args.pairs)


def call(command: list[str], work: Path) -> str:
    """Run an arm on one core with one thread; all that it said."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(work / "cache"),
           "CUDA_VISIBLE_DEVICES": "", "TOKENIZERS_PARALLELISM": "false"}  # fmt: skip
    done = subprocess.run(["taskset", "-c", "0", *command], env=env, capture_output=True, text=True, check=False)
    (work / "last.log").write_text(done.stdout + done.stderr, encoding="utf-8")
    return done.stdout + done.stderr


def measure(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """One arm, once: seconds, steps, losses, tokens, held-out loss."""
    split, out = split_of(name), args.out / "out" / name
    train, _ = rows_of(split, args.out)
    shutil.rmtree(out, ignore_errors=True)
    if name in ARMS:
        command = [sys.executable, str(Path(__file__).resolve()), "--arm", name, "--out", str(args.out)]
    elif name.startswith("medicalgpt"):
        command = medicalgpt(name, args.medicalgpt.resolve(), args.out, train)
    else:
        command = llamafactory(name, args.llamafactory, args.out, train)
    made = figures(call(command, args.out))
    learnt = sum(learnt for _, learnt in lengths(split, train, args.out))
    return {**made, "tokens": learnt, "held": held_out_loss(split, out, args.out)}


def facts(args: argparse.Namespace, load: str) -> dict[str, Any]:
    """What the page says of machine, versions, model and data."""
    from importlib.metadata import version

    from run import machine

    processor = next(line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
                     if line.startswith("model name"))  # fmt: skip
    others = [f"peft {version('peft')}"]
    if args.medicalgpt:
        others.append(f"MedicalGPT {commit(args.medicalgpt)}")
    if args.llamafactory:
        theirs = versions(args.llamafactory, ("llamafactory", "torch", "transformers", "peft"))
        others.append(f"LLaMA-Factory's environment: {theirs}")
    return {"machine": f"{processor}, {machine()}", "load": load, "versions": "; ".join(others),
            "command": command_line(args), **described(args.out)}  # fmt: skip


def command_line(args: argparse.Namespace) -> str:
    """The command without the places of this machine."""
    given = [f"--rows {args.rows}", f"--pairs {args.pairs}", f"--rounds {args.rounds}"]
    given += ["--medicalgpt CLONE"] if args.medicalgpt else []
    given += ["--llamafactory PYTHON"] if args.llamafactory else []
    named = {"sft": args.sft, "dpo": args.dpo}
    data = [f"--{split} {Path(name).name if name != 'sample' else name}" for split, name in named.items()]
    return " ".join(["python benchmarks/training.py --out DIR --write", *data, *given])


def described(work: Path) -> dict[str, Any]:
    """Size of the model, lengths of the rows in tokens, and the loss before training."""
    from safetensors import safe_open

    config = json.loads((work / "model" / "config.json").read_text(encoding="utf-8"))
    with safe_open(work / "model" / "model.safetensors", "pt") as file:
        total = sum(file.get_tensor(name).numel() for name in file.keys())  # noqa: SIM118
    rows: dict[str, str] = {}
    for split, unit in (("sft", "rows"), ("dpo", "pairs")):
        counted = lengths(split, rows_of(split, work)[0], work)
        whole = sorted(length for length, _ in counted)
        rows[split] = (f"{len(whole)} {unit} of {whole[0]} to {whole[-1]} tokens, mean {statistics.fmean(whole):.0f}, "
                       f"{sum(learnt for _, learnt in counted):,} learnt of {sum(whole):,}")  # fmt: skip
    shape = f"hidden {config['hidden_size']}, {config['num_hidden_layers']} layers, vocabulary {config['vocab_size']:,}"
    return {"parameters": f"{total / 1e6:.1f} M", "shape": shape, **rows, "before": held_out_loss("sft", None, work)}


def main() -> None:
    """Run the arms in turn, print and write the page."""
    args = arguments()
    if args.arm:
        run_arm(args.arm, args.out)
        return
    file, results = args.out / "results.json", dict[str, list[dict[str, Any]]]()
    if args.assemble:
        kept = json.loads(file.read_text(encoding="utf-8"))
        text = page(kept["results"], kept["facts"])
    else:
        prepare(args)
        text = run(args, results, file)
    print(text)
    if args.write or args.assemble:
        (HERE / "results" / "training.md").write_text(text, encoding="utf-8")


def run(args: argparse.Namespace, results: Results, file: Path) -> str:
    """All rounds; figures are kept after every arm."""
    names = [name for name in ARMS if not name.endswith("dpo")]
    names += [name for peer, arms in PEERS.items() if getattr(args, peer) for name in arms]
    names += [name for name in ARMS if name.endswith("dpo")]
    about = facts(args, f"{os.getloadavg()[0]:.1f} at the start")
    for _ in range(args.rounds):
        for name in args.only or names:
            results.setdefault(name, []).append(measure(name, args))
            print(name, {k: v for k, v in results[name][-1].items() if k != "losses"}, file=sys.stderr, flush=True)
            file.write_text(json.dumps({"results": results, "facts": about}), encoding="utf-8")
    return page(results, about)


if __name__ == "__main__":
    main()
