"""Rows of the packaged sample, counted by the format rules without any code of the package."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

SAMPLE = Path(__file__).resolve().parent.parent / "chimed" / "sample"
GENERAL = ["alpaca_gpt4_zh", "belle_train_1m", "belle_train_2m", "school_math"]

Outcome = str | None


def text(name: str, encoding: str = "utf-8") -> str:
    return (SAMPLE / name).read_bytes().decode(encoding)


def table(name: str, encoding: str = "utf-8-sig", errors: str = "strict") -> list[list[str]]:
    decoded = (SAMPLE / name).read_bytes().decode(encoding, errors)
    return list(csv.reader(io.StringIO(decoded, newline="")))


def json_lines(name: str) -> Iterator[Any]:
    for line in text(name).split("\n"):
        if line.strip():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                yield "bad_json"


def flat(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [s for v in value for s in flat(v)]


def turns(messages: list[tuple[str, str]]) -> Outcome:
    """The turn rule on (side, text) pairs; side is q or a."""
    if messages and messages[-1][0] == "q":
        messages = messages[:-1]
    sides = "".join(side for side, _ in messages)
    whole = all(said.strip() for _, said in messages)
    return None if messages and whole and re.fullmatch("(qa)+", sides) else "broken_turns"


def question(row: Any) -> Outcome:
    if not any(q.strip() for q in flat(row["questions"])):
        return "empty_question"
    return None if any(a.strip() for a in flat(row["answers"])) else "empty_answer"


def huatuo(name: str) -> Iterator[Outcome]:
    return map(question, json_lines(f"{name}/train_datasets.jsonl"))


def choice(stem: str, options: str, answer: str) -> Outcome:
    letters = {line.split(" ", 1)[0] for line in re.split(r"\r?\n|\\n", options)}
    if not stem.strip():
        return "empty_question"
    if not answer.strip():
        return "no_answer_key"
    return None if set(answer) <= letters else "answer_not_in_options"


def cmexam() -> Iterator[Outcome]:
    for part in ("train", "val"):
        yield from (choice(*row[:3]) for row in table(f"cmexam/data/{part}.csv")[1:])


def cmexam_explanation() -> Iterator[Outcome]:
    for stem, options, answer, explanation in table("cmexam/data/train.csv")[1:]:
        missing = "no_explanation" if explanation.strip() in ("", "nan") else None
        yield choice(stem, options, answer) or missing or ("placeholder" if explanation == "请等待更新" else None)


def medqa_textbooks() -> Iterator[Outcome]:
    for book in (SAMPLE / "medqa_textbooks/data_clean/textbooks/zh_paragraph").glob("*.txt"):
        if book.name != "all_books.txt":
            yield from (None for line in book.read_text(encoding="utf-8").split("\n") if line.strip())


def cpubmed_kg() -> Iterator[Outcome]:
    for line in text("cpubmed_kg/CPubMed-KGv1_1.txt").split("\n")[1:]:
        if line.strip():
            yield None if line.count("\t") == 2 else "wrong_columns"


def xywy_kg() -> Iterator[Outcome]:
    for row in json_lines("xywy_kg/data/medical.json"):
        yield None if row.get("name") else "empty_question"


def health39_kg() -> Iterator[Outcome]:
    for row in table("health39_kg/data/disease.csv", "gb18030")[1:]:
        yield "shifted_columns" if any(row[15:]) else None


def chinese_medical_dialogue() -> Iterator[Outcome]:
    for path in sorted((SAMPLE / "chinese_medical_dialogue").glob("Data_数据/*/*.csv")):
        encoding = "utf-8" if path.name.startswith("儿科") else "gb18030"
        for _, title, ask, answer in table(str(path.relative_to(SAMPLE)), encoding, "replace")[1:]:
            if "�" in title + ask + answer:
                yield "bad_bytes"
            elif not (title + ask).strip():
                yield "empty_question"
            else:
                yield None if answer.strip() else "empty_answer"


def meddialog_cn() -> Iterator[Outcome]:
    for dialogue in json.loads(text("meddialog_cn/processed/train_data.json")):
        parts = [said.split("：", 1) for said in dialogue]
        yield turns([({"病人": "q", "医生": "a"}[who], said) for who, said in parts])


def conversations(name: str) -> Iterator[Outcome]:
    asking = ("病人", "input", "human")
    for row in json_lines(name):
        yield turns([("q" if m["from"] in asking else "a", m["value"]) for m in row["conversations"]])


def instruct_chat() -> Iterator[Outcome]:
    for row in json_lines("instruct_chat/instruct_chat_50k.jsonl"):
        pairs = zip(*([row[k]] if isinstance(row[k], str) else row[k] for k in ("input", "output")), strict=False)
        yield turns([message for q, a in pairs for message in (("q", q), ("a", a))])


def instruction(name: str) -> Iterator[Outcome]:
    path = next((SAMPLE / name).glob("*.json"))
    array = path.read_bytes().startswith(b"[")
    for row in json.loads(path.read_bytes()) if array else json_lines(f"{name}/{path.name}"):
        if not (row["instruction"] + row["input"]).strip():
            yield "empty_question"
        else:
            yield None if row["output"].strip() else "empty_answer"


def hc3_chinese() -> Iterator[Outcome]:
    for path in sorted((SAMPLE / "hc3_chinese").glob("*.jsonl")):
        for row in json_lines(f"hc3_chinese/{path.name}"):
            if row == "bad_json":
                yield row
            elif not row["question"].strip():
                yield "empty_question"
            else:
                yield None if any(a and a.strip() for a in row["chatgpt_answers"]) else "empty_answer"


def safety_prompts() -> Iterator[Outcome]:
    for name in ("typical_safety_scenarios", "instruction_attack_scenarios"):
        for items in json.loads(text(f"safety_prompts/{name}.json")).values():
            for item in items:
                yield None if isinstance(item, dict) and len(item) == 3 else "wrong_shape"


def belle_multiturn_chat() -> Iterator[Outcome]:
    for row in json_lines("belle_multiturn_chat/multiturn_chat_0.8M.json"):
        parts = re.split(r"(?:^|\n)(Human|Assistant)\s*[:：]", row["instruction"])[1:]
        said = parts[1:-2:2] + [row["output"]]
        left = any(re.search("(Human|Assistant)[:：]", one) for one in said)
        sides = ["q" if who == "Human" else "a" for who in parts[::2]]
        yield "leftover_marker" if left else turns(list(zip(sides, said, strict=True)))


def pair(chosen: str, rejected: str) -> Outcome:
    return "equal_pair" if "".join(chosen.split()) == "".join(rejected.split()) else None


def zhongjing_rlhf() -> Iterator[Outcome]:
    for row in json.loads(text("zhongjing_rlhf/data/rlhf2000_7_31.json")):
        yield "single_response" if len(row["output"]) < 2 else pair(*row["output"][:2])


def medicalgpt_reward() -> Iterator[Outcome]:
    for row in json_lines("medicalgpt_reward/reward/train.json"):
        yield pair(row["response_chosen"], row["response_rejected"])


def release_passages() -> Iterator[Outcome]:
    return (None for line in text("chimed_release/cpt.txt").split("\n") if line.strip())


def release_pairs() -> Iterator[Outcome]:
    rows = json.loads(text("chimed_release/dpo.json"))
    return (pair(row["response_chosen"], row["response_rejected"]) for row in rows)


RELEASE: dict[str, Callable[[], Iterator[Outcome]]] = {
    "cpt": release_passages,
    "sft": partial(conversations, "chimed_release/sft.jsonl"),
    "dpo": release_pairs,
}


def chimed_release() -> Iterator[Outcome]:
    return (outcome for count in RELEASE.values() for outcome in count())


COUNTERS: dict[str, Callable[[], Iterator[Outcome]]] = {
    "huatuo_encyclopedia": lambda: huatuo("huatuo_encyclopedia"),
    "huatuo_knowledge_graph": lambda: huatuo("huatuo_knowledge_graph"),
    "cmd": lambda: conversations("cmd/cmd.jsonl"),
    "belle_train_3_5m": lambda: conversations("belle_train_3_5m/train_3.5M_CN.json"),
    **{name: partial(instruction, name) for name in GENERAL},
    **{
        count.__name__: count
        for count in (
            cmexam, cmexam_explanation, medqa_textbooks, cpubmed_kg, xywy_kg, health39_kg, chinese_medical_dialogue,
            meddialog_cn, instruct_chat, hc3_chinese, safety_prompts, belle_multiturn_chat, zhongjing_rlhf,
            medicalgpt_reward, chimed_release,
        )
    },
}  # fmt: skip


def counted(name: str) -> dict[str, Any]:
    """Rows of a source as `EXPECTED.json` gives them."""
    return tally(COUNTERS[name]())


def tally(outcomes: Iterator[Outcome]) -> dict[str, Any]:
    booked = list(outcomes)
    lost = Counter(sorted(reason for reason in booked if reason))
    return {"read": len(booked), "kept": len(booked) - lost.total(), "lost": dict(lost)}
