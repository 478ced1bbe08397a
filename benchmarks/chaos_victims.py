"""What is killed: a build, a deduplication, a training run, an evaluation, a push."""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL

from chaos_kills import HERE, Killed, Victim, everything, warm, weights

SAMPLE = HERE.parent / "chimed" / "sample"
ONLY = "cmexam,medqa_textbooks,health39_kg,chinese_medical_dialogue,zhongjing_rlhf"


def prepare(work: Path) -> None:
    """Releases of the sample, a tiny model and a corpus with copies, made once."""
    (work / "made").mkdir(parents=True, exist_ok=True)
    with warm("chimed", work / "cache") as process:
        if not (work / "made" / "ChiMed-CPT" / "manifest.json").is_file():
            _sound(process.run(["build", "--split", "cpt", "--sample", "--out", str(work / "made")], work / "log.txt"))
    with warm("qilin-stage", work / "cache") as process:
        if not (work / "made" / "base" / "config.json").is_file():
            words = ["tiny", str(work / "made" / "base"), "--data", str(work / "made" / "ChiMed-CPT")]
            _sound(process.run([*words, "--vocabulary", "1024"], work / "log.txt"))
    corpus(work / "made" / "corpus.jsonl")


def _sound(code: int) -> None:
    if code:
        raise SystemExit(f"what the kills need could not be made: exit {code}")


def corpus(path: Path, rows: int = 20_000) -> None:
    """Made-up sentences, a third of them copies."""
    dice = random.Random(7)
    words = [
        "发热",
        "咳嗽",
        "头痛",
        "乏力",
        "建议",
        "复查",
        "血压",
        "mg",
        "每日",
        "两次",
        "就诊",
        "饮食",
        "清淡",
        "休息",
        "用药",
    ]
    texts: list[str] = []
    for _ in range(rows):
        fresh = "，".join("".join(dice.choices(words, k=5)) for _ in range(8))
        texts.append(dice.choice(texts) if texts and dice.random() < 0.33 else fresh)
    lines = (json.dumps({"id": str(i), "text": text}, ensure_ascii=False) for i, text in enumerate(texts))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def victims(work: Path) -> list[Victim]:
    """All but the push, which needs a Hub."""
    made = work / "made"
    return [
        Victim("build", "chimed",
               lambda out: ["build", "--split", "all", "--sample", "--only", ONLY, "--out", str(out)], everything),
        Victim("dedup", "chimed",
               lambda out: ["dedup", str(made / "corpus.jsonl"), "--out", str(out / "kept.jsonl")], everything),
        Victim("train", "qilin-stage", lambda out: _train(made, out / "run"), weights),
        Victim("eval", "qilin-stage",
               lambda out: ["eval", str(made / "base"), "-t", "cmexam,huatuo", "--data", str(SAMPLE / "eval"), "--limit",
                            "8", "--out", str(out)], everything),
    ]  # fmt: skip


def _train(made: Path, run: Path) -> list[str]:
    """A run of twelve steps; nothing where it is done, `--resume` where it was begun."""
    file = run / "run.json"
    begun = json.loads(file.read_text(encoding="utf-8"))["status"] if file.is_file() else None
    if begun == "done":
        return []
    return [
        "run", "cpt", "-r", "tiny", "--data", str(made / "ChiMed-CPT"), "--model", str(made / "base"), "--out", str(run),
        *(["--resume"] if begun else []), "train.max_steps=12", "train.save_steps=3", "train.logging_steps=1",
        "train.eval_steps=100",
    ]  # fmt: skip


def push(kills: int, seed: int) -> Killed:
    """Pushes to a loopback Hub: every commit is the old state or the new one, never a mixture."""
    sys.path.insert(0, str(HERE.parent / "tests"))
    from hub.loopback import loopback_hub
    from hub.test_push_killed import Pusher, folders, whole

    dice, result = random.Random(f"{seed} push"), Killed("push")
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        with loopback_hub(root / "hub") as hub:
            pusher = Pusher(hub, root)
            first, *rest = folders(root, dice)
            pusher.push(first)
            started = time.monotonic()
            for number, folder in enumerate(rest, start=1):
                while result.kills < kills * number / len(rest):
                    result.kills += pusher.push(folder, dice.uniform(0, result.seconds or 1.0)) == -SIGKILL
                    torn = sum(not whole(commit) for commit in hub.repo("org/X").commits.values())
                    result.differing = max(result.differing, torn)
                started = time.monotonic()
                if code := pusher.push(folder):
                    result.failures += (f"exit {code} after the kills",)
                result.finished += 1
                result.seconds = result.seconds or time.monotonic() - started
            with suppress(AttributeError):
                pusher.process.stdin.close()
            pusher.process.wait(30)
    return result
