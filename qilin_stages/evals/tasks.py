"""The built-in tasks: CMExam (answers, explanations), C-Eval, Huatuo-26M, and the safety probe."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from qilin_stages.evals import items as files
from qilin_stages.evals import prompts, safety, scoring
from qilin_stages.evals.choice import Judged
from qilin_stages.evals.significance import macro_interval
from qilin_stages.evals.subjects import MEDICAL, NAMES
from qilin_stages.evals.task import Answer, Item, Mode, Request, Row

SHOTS = 5
_CEVAL_PATTERNS = (
    r"答：\s*([A-D])", r"([A-D])是正确的", r"选项([A-D])正确", r"答案为([A-D])", r"答案是([A-D])", r"答案([A-D])",
    r"选择([A-D])", r"答案：([A-D])", r"选择答案([A-D])",
)  # fmt: skip


class CMExam:
    """Multiple choice with one or more right letters; log-probabilities of single-answer items stand beside."""

    name = "cmexam"
    sets: tuple[str, ...] = ("cmexam_test",)

    def items(self, data: Path, limit: int | None) -> list[Item]:
        """The test questions in file order."""
        return files.read(data, "cmexam_test")[:limit]

    def requests(self, items: Sequence[Item], data: Path, protocol: Mode) -> list[Request]:
        """A greedy answer of every item; with `sound` also the letters' log-probabilities where one letter is right."""
        if protocol == "paper":
            return [Request(i.id, prompts.cmexam(i, protocol), max_new_tokens=50) for i in items]
        out = [Request(i.id, prompts.cmexam(i, protocol), prompts.cmexam_chat(i), stop=("\n问题",)) for i in items]
        single = sorted((i for i in items if len(i.answer or "") == 1 and i.options), key=lambda i: tuple(i.options))
        for letters, same in groupby(single, key=lambda i: tuple(i.options)):
            out += [
                Request(f"{i.id}#letters", prompts.cmexam(i, protocol), prompts.cmexam_chat(i), "cmexam", letters)
                for i in same
            ]
        return out

    def judge(self, items: Sequence[Item], answers: Mapping[str, Answer], protocol: Mode) -> list[Row]:
        """Extracted answers, and the likeliest letter where it was asked."""
        rows = scoring.judge_choice(items, answers, protocol)
        for row in rows:
            beside = answers.get(f"{row['id']}#letters")
            row["likeliest"] = scoring.most_likely(beside).extracted if beside else None
            row["asked_letters"] = beside is not None
        return rows

    def summary(self, items: Sequence[Item], rows: Sequence[Row], protocol: Mode) -> dict[str, Any]:
        """Accuracy, weighted F1, answered rate; accuracy of the likeliest letter with its coverage."""
        figures = scoring.summarise_choice(items, rows)
        asked = [row for row in rows if row.get("asked_letters")]
        if asked:
            right = sum(row["likeliest"] == row["answer"] for row in asked)
            figures |= {"accuracy_logprob": 100 * right / len(asked), "coverage_logprob": 100 * len(asked) / len(rows)}
        return figures

    def floors(self, items: Sequence[Item], protocol: Mode) -> dict[str, list[Row]]:
        """Commonest key, random letter, random set, longest option."""
        return scoring.floors_choice(items)


class CMExamExplanation:
    """Explanations of CMExam's questions, scored as text; items without one have no reference and are not asked."""

    name = "cmexam-explanation"
    sets: tuple[str, ...] = ("cmexam_test",)

    def items(self, data: Path, limit: int | None) -> list[Item]:
        """The test questions that have an explanation."""
        return [i for i in files.read(data, "cmexam_test") if (i.reference or "").strip()][:limit]

    def requests(self, items: Sequence[Item], data: Path, protocol: Mode) -> list[Request]:
        """A greedy explanation of at most 256 tokens."""
        return [
            Request(i.id, prompts.explanation(i), prompts.explanation_chat(i), max_new_tokens=256, stop=("\n问题",))
            for i in items
        ]

    def judge(self, items: Sequence[Item], answers: Mapping[str, Answer], protocol: Mode) -> list[Row]:
        """Sentence scores."""
        return scoring.judge_text(items, answers, protocol)

    def summary(self, items: Sequence[Item], rows: Sequence[Row], protocol: Mode) -> dict[str, Any]:
        """BLEU and ROUGE of the set."""
        return scoring.summarise_text(rows, protocol)

    def floors(self, items: Sequence[Item], protocol: Mode) -> dict[str, list[Row]]:
        """Another explanation, the question copied, one fixed reply."""
        return scoring.floors_text(items, protocol)


class Huatuo(CMExamExplanation):
    """Answers to patients' questions, scored as text."""

    name = "huatuo"
    sets = ("huatuo26m_test",)

    def items(self, data: Path, limit: int | None) -> list[Item]:
        """The test questions in file order."""
        return files.read(data, "huatuo26m_test")[:limit]

    def requests(self, items: Sequence[Item], data: Path, protocol: Mode) -> list[Request]:
        """A greedy reply of at most 256 tokens."""
        return [
            Request(i.id, prompts.huatuo(i), (("user", i.stem),), max_new_tokens=256, stop=("\n问：",)) for i in items
        ]


class CEval:
    """Single choice over 52 subjects, five worked examples; val is scored, and test where its keys are published."""

    name = "ceval"
    sets: tuple[str, ...] = ("ceval",)

    def items(self, data: Path, limit: int | None) -> list[Item]:
        """Items of val and test; with a limit that many of each subject and split."""
        kept: dict[tuple[str, str], int] = defaultdict(int)
        out = []
        for item in files.read(data, "ceval"):
            kept[item.subject, item.split] += 1
            if item.split != "dev" and (limit is None or kept[item.subject, item.split] <= limit):
                out.append(item)
        return out

    def requests(self, items: Sequence[Item], data: Path, protocol: Mode) -> list[Request]:
        """`sound`: the letters after the official prompt; `paper`: ten greedy tokens after the released wrapper."""
        dev: dict[str, list[Item]] = defaultdict(list)
        for item in files.read(data, "ceval"):
            if item.split == "dev" and len(dev[item.subject]) < SHOTS:
                dev[item.subject].append(item)
        asked = sorted(items, key=lambda i: i.subject)
        if protocol == "paper":
            return [
                Request(i.id, prompts.ceval_released(i, dev[i.subject]), group=i.subject, max_new_tokens=10)
                for i in asked
            ]
        return [
            Request(
                i.id, prompts.ceval(i, dev[i.subject]), prompts.ceval_chat(i, dev[i.subject]), i.subject,
                tuple(i.options),
            )
            for i in asked
        ]  # fmt: skip

    def judge(self, items: Sequence[Item], answers: Mapping[str, Answer], protocol: Mode) -> list[Row]:
        """The likeliest letter, or the letter that the released patterns find."""
        rows = []
        for item in items:
            answer = answers.get(item.id, Answer(item.id, error="not_asked"))
            found = _released(answer.text, item) if protocol == "paper" else scoring.most_likely(answer)
            right = found.extracted is not None and found.extracted == item.answer
            row = scoring.choice_row(item, answer, Judged(found.extracted, found.tier, right))
            row["logprobs"] = ", ".join(f"{k} {v:.6f}" for k, v in sorted(answer.logprobs.items()))
            rows.append(row)
        return rows

    def summary(self, items: Sequence[Item], rows: Sequence[Row], protocol: Mode) -> dict[str, Any]:
        """Macro average over subjects and micro over items; each subject, the three medical ones first."""
        figures = scoring.summarise_choice(items, rows)
        by_subject: dict[str, list[float]] = defaultdict(list)
        for row in rows:
            if row["score"] is not None:
                by_subject[row["subject"]].append(row["score"])
        means = {s: sum(v) / len(v) for s, v in by_subject.items()}
        order = [s for s in MEDICAL if s in means] + sorted(s for s in means if s not in MEDICAL)
        macro = sum(means.values()) / len(means) if means else 0.0
        return {
            "macro": macro, "macro_ci": macro_interval([np.array(by_subject[s]) for s in order]),
            "accuracy": figures.pop("accuracy"), "average": "macro over subjects; accuracy is micro",
            **figures, "subjects": {s: {"accuracy": means[s], "n": len(by_subject[s])} for s in order},
            "subjects_of": f"{len(means)} of {len(NAMES)}",
        }  # fmt: skip

    def floors(self, items: Sequence[Item], protocol: Mode) -> dict[str, list[Row]]:
        """Commonest key, random letter, random set, longest option."""
        return scoring.floors_choice(items)

    def submission(self, rows: Sequence[Row]) -> dict[str, dict[str, str]]:
        """C-Eval's legacy submission: subject -> row number -> letter; empty where nothing was found."""
        out: dict[str, dict[str, str]] = defaultdict(dict)
        for row in rows:
            if row["split"] == "test":
                out[row["subject"]][row["id"].rsplit("/", 1)[-1]] = row["extracted"] or ""
        return dict(sorted(out.items()))


def _released(text: str, item: Item) -> Judged:
    """The released evaluator's chain: nine patterns, a lone letter, the one option text, else nothing."""
    whole = "答：" + text
    for pattern in _CEVAL_PATTERNS:
        if found := re.search(pattern, whole):
            return Judged(found.group(1), "pattern", False)
    letters = set(re.findall(r"[A-D]", whole))
    if len(letters) == 1:
        return Judged(letters.pop(), "letter", False)
    named = [letter for letter, own in item.options.items() if own and own in whole]
    return Judged(named[0], "option", False) if len(named) == 1 else Judged(None, "none", False)


class Safety:
    """A small probe of our own: 60 prompts; whether a reply refuses or refers to help. No clinical judgement."""

    name = "safety"
    sets: tuple[str, ...] = ()

    def items(self, data: Path, limit: int | None) -> list[Item]:
        """The packaged prompts."""
        return safety.prompts()[:limit]

    def requests(self, items: Sequence[Item], data: Path, protocol: Mode) -> list[Request]:
        """A greedy reply of at most 256 tokens."""
        return [
            Request(i.id, prompts.huatuo(i), (("user", i.stem),), max_new_tokens=256, stop=("\n问：",)) for i in items
        ]

    def judge(self, items: Sequence[Item], answers: Mapping[str, Answer], protocol: Mode) -> list[Row]:
        """Refusal and referral by fixed phrases."""
        return [safety.judge(i, answers.get(i.id, Answer(i.id, error="not_asked"))) for i in items]

    def summary(self, items: Sequence[Item], rows: Sequence[Row], protocol: Mode) -> dict[str, Any]:
        """Rates by category."""
        return safety.summary(rows)

    def floors(self, items: Sequence[Item], protocol: Mode) -> dict[str, list[Row]]:
        """One fixed polite reply, and silence."""
        return safety.floors(items)
