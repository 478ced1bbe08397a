"""C-Eval questions per second against lm-evaluation-harness, and ROUGE-L against rouge_score.

    python benchmarks/evaluation.py [--questions N] [--lm-eval VERSION]

Both sides score the same generated questions (five worked examples, C-Eval's official prompt) with the same random
model on one thread; times are CPU seconds of the scoring alone, without loading. lm-eval lives in a throwaway virtual
environment that sees this one's packages; where it cannot be installed the comparison is left out with the reason.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

SYLLABLES = (
    "患者头痛发热咳嗽胸闷心悸血压升高检查治疗药物剂量每日口服静脉注射感染炎症细胞组织器官功能障碍诊断依据首选禁忌"
)
HARNESS = """
import json, sys, time
import torch
torch.set_num_threads(1)
from lm_eval import evaluator
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager, get_task_dict
folder, batch = sys.argv[1], int(sys.argv[2])
model = HFLM(pretrained=folder + "/model", device="cpu", dtype="float32", batch_size=batch)
tasks = get_task_dict(["bench"], TaskManager(include_path=folder, include_defaults=False))
real, spent = model.loglikelihood, []
def timed(requests, **more):
    start = time.process_time()
    out = real(requests, **more)
    spent.append(time.process_time() - start)
    return out
model.loglikelihood = timed
found = evaluator.evaluate(model, tasks, log_samples=True, bootstrap_iters=0)
rows = sorted(found["samples"]["bench"], key=lambda r: r["doc_id"])
choices = ["ABCD"[max(range(4), key=lambda i: r["filtered_resps"][i][0])] for r in rows]
print("RESULT" + json.dumps({"seconds": sum(spent), "choices": choices}))
"""
TASK = """
task: bench
dataset_path: json
dataset_kwargs: {{data_files: {{dev: {folder}/dev.jsonl, val: {folder}/val.jsonl}}}}
test_split: val
fewshot_split: dev
fewshot_config: {{sampler: first_n}}
num_fewshot: 5
output_type: multiple_choice
description: "以下是中国关于临床医学考试的单项选择题，请选出其中的正确答案。\\n\\n"
doc_to_text: "{{{{question}}}}\\nA. {{{{A}}}}\\nB. {{{{B}}}}\\nC. {{{{C}}}}\\nD. {{{{D}}}}\\n答案："
doc_to_choice: ["A", "B", "C", "D"]
doc_to_target: "{{{{['A','B','C','D'].index(answer)}}}}"
target_delimiter: ""
fewshot_delimiter: "\\n\\n"
metric_list: [{{metric: acc}}]
"""


def questions(count: int, rng: random.Random) -> list[dict[str, str]]:
    def text(low: int, high: int) -> str:
        return "".join(rng.choices(SYLLABLES, k=rng.randint(low, high)))

    return [
        {"question": text(30, 60), **{x: text(5, 14) for x in "ABCD"}, "answer": rng.choice("ABCD")}
        for _ in range(count)
    ]


def model(folder: Path) -> None:
    """About 12 million parameters with a character vocabulary, weights large enough for clear choices."""
    import torch
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = dict.fromkeys(SYLLABLES + "以下是中国关于临床医学考试的单项选择题，请出其正确答案。：\n ABCD.")
    vocabulary = {w: i for i, w in enumerate(["<unk>", "<pad>", "</s>", *words])}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    made = PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="<unk>", pad_token="<pad>", eos_token="</s>")
    made.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=16_000, hidden_size=256, intermediate_size=688, num_hidden_layers=8, num_attention_heads=8,
        num_key_value_heads=8, max_position_embeddings=2048, pad_token_id=1, eos_token_id=2, bos_token_id=None,
    )  # fmt: skip
    net = LlamaForCausalLM(config)
    with torch.no_grad():
        for weights in net.parameters():
            weights.mul_(3)
    net.save_pretrained(folder)


def ours(folder: Path, dev: list[dict[str, str]], val: list[dict[str, str]], *, cached: bool) -> dict[str, Any]:
    import torch

    from qilin_stages.evals import prompts
    from qilin_stages.evals.loglik import letter_logprobs
    from qilin_stages.evals.models import open_model
    from qilin_stages.evals.task import Item, Request

    torch.set_num_threads(1)
    local: Any = open_model(str(folder / "model"), folder)

    def item(number: int, row: dict[str, str]) -> Item:
        options = {x: row[x] for x in "ABCD"}
        return Item(str(number), "ceval", row["question"], options, row["answer"], subject="clinical_medicine")

    shots = [item(i, row) for i, row in enumerate(dev)]
    start = time.process_time()
    asked = [
        Request(str(i), prompts.ceval(item(i, row), shots), group="clinical_medicine", letters=tuple("ABCD"))
        for i, row in enumerate(val)
    ]
    answers = letter_logprobs(local, asked, cached=cached)
    seconds = time.process_time() - start
    return {"seconds": seconds, "choices": [max(a.logprobs, key=lambda x: a.logprobs[x]) for a in answers],
            "tokens": len(local.encode(asked[0].prompt, False))}  # fmt: skip


def harness(folder: Path, version: str, batch: int) -> dict[str, Any] | str:
    """lm-eval's seconds and choices, or why there are none."""
    home = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    python = home / "bin" / "python"
    site = next((home / "lib").glob("python3*/site-packages"))
    here = [sysconfig.get_paths()["purelib"], *(p for p in sys.path if p.endswith("site-packages"))]
    (site / "outer.pth").write_text("\n".join(dict.fromkeys(here)) + "\n", encoding="utf-8")
    install = [python, "-m", "pip", "install", "-q", "--no-deps", f"lm-eval=={version}"]
    if (done := subprocess.run(install, capture_output=True, text=True)).returncode:
        return f"lm-eval could not be installed: {done.stderr.strip().splitlines()[-1]}"
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(folder / "cache")}
    done = subprocess.run([python, "-c", HARNESS, folder, str(batch)], capture_output=True, text=True, env=env)
    found = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    if not found:
        return f"lm-eval did not run: {done.stderr.strip().splitlines()[-1]}"
    return dict(json.loads(found[0].removeprefix("RESULT")))


def ceval_lines(count: int, version: str) -> list[str]:
    with tempfile.TemporaryDirectory() as place:
        folder, rng = Path(place), random.Random(1)
        dev, val = questions(5, rng), questions(count, rng)
        for name, rows in (("dev", dev), ("val", val)):
            (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        (folder / "bench.yaml").write_text(TASK.format(folder=folder), encoding="utf-8")
        model(folder / "model")
        plain, cached = (ours(folder, dev, val, cached=c) for c in (False, True))
        theirs = harness(folder, version, 16)
    each = {"ours, prefix cached": cached, "ours, no cache": plain}
    if isinstance(theirs, dict):
        each = {f"lm-eval {version}": theirs, **each}
    first = next(iter(each.values()))
    lines = [
        f"## C-Eval, {count} questions, about {cached['tokens']} tokens each\n",
        "| | CPU ms per question | times faster | same choices |", "|---|---:|---:|---:|",
    ]  # fmt: skip
    for name, row in each.items():
        same = sum(a == b for a, b in zip(row["choices"], first["choices"], strict=True))
        lines.append(
            f"| {name} | {1000 * row['seconds'] / count:.1f} | {first['seconds'] / row['seconds']:.2f} "
            f"| {same} of {count} |"
        )
    spread = {x: cached["choices"].count(x) for x in "ABCD"}
    lines.append(f"\nChoices of the random model: {spread}.")
    return lines + ([f"\nlm-eval left out: {theirs}"] if isinstance(theirs, str) else [])


def rouge_lines() -> list[str]:
    from rouge_score import rouge_scorer

    from qilin_stages.evals.text import _harmonic, characters, longest_common

    class Characters:
        def tokenize(self, text: str) -> list[str]:
            return list(characters(text))

    rng = random.Random(2)
    pairs = [("".join(rng.choices(SYLLABLES, k=200)), "".join(rng.choices(SYLLABLES, k=200))) for _ in range(20_000)]
    scorer = rouge_scorer.RougeScorer(["rougeL"], tokenizer=Characters())
    few = pairs[:150]
    start = time.process_time()
    theirs = [scorer.score(b, a)["rougeL"].fmeasure for a, b in few]
    slow = len(few) / (time.process_time() - start)
    longest_common("a", "b")
    start = time.process_time()
    mine = []
    for a, b in pairs:
        one, other = characters(a), characters(b)
        common = longest_common(one, other)
        mine.append(_harmonic(common / len(one), common / len(other)))
    fast = len(pairs) / (time.process_time() - start)
    worst = max(abs(a - b) for a, b in zip(mine, theirs, strict=False))
    return [
        "\n## ROUGE-L, pairs of 200 characters\n", "| | pairs per CPU second | times faster | largest difference |",
        "|---|---:|---:|---:|", f"| rouge_score, character tokenizer | {slow:,.0f} | 1 | |",
        f"| ours | {fast:,.0f} | {fast / slow:.0f} | {worst:.1e} |",
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--lm-eval", default="0.4.13")
    args = parser.parse_args()
    lines = ["# Evaluation\n", *ceval_lines(args.questions, args.lm_eval), *rouge_lines()]
    text = "\n".join(lines) + "\n"
    out = Path(__file__).parent / "results" / "evaluation.md"
    out.parent.mkdir(exist_ok=True)
    out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
