"""The final text of every prompt, by task and protocol, so that a test (and a reader) can see what a model was asked.

`paper` is the closest to the released scripts; `sound` is C-Eval's official prompt, and plain questions elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from qilin_stages.evals.subjects import NAMES
from qilin_stages.evals.task import Item

Turns = tuple[tuple[str, str], ...]


def options(item: Item, mark: str) -> str:
    """The options, one a line: letter, mark, text."""
    return "\n".join(f"{letter}{mark}{text}" for letter, text in item.options.items())


def cmexam(item: Item, protocol: str) -> str:
    """Question, options and `答案：`; the released evaluator writes a blank after the letter."""
    return f"{item.stem}\n{options(item, ' ' if protocol == 'paper' else '. ')}\n答案："


def cmexam_chat(item: Item) -> Turns:
    """The same for a chat model: it is told that one or more options may be right."""
    return (("user", f"以下题目有一个或多个正确选项，请直接给出答案的字母。\n\n{cmexam(item, 'sound')}"),)


def explanation(item: Item) -> str:
    """Question and options, then the wish for a reason."""
    return f"{item.stem}\n{options(item, '. ')}\n请选出正确答案并解释原因。\n解释："


def explanation_chat(item: Item) -> Turns:
    """The same for a chat model."""
    return (("user", f"{item.stem}\n{options(item, '. ')}\n请选出正确答案并解释原因。"),)


def huatuo(item: Item) -> str:
    """A question in the form of a dialogue that the model goes on with."""
    return f"问：{item.stem}\n答："


def ceval_header(subject: str) -> str:
    """C-Eval's official first line; an unknown subject keeps its own name."""
    return f"以下是中国关于{NAMES.get(subject, subject)}考试的单项选择题，请选出其中的正确答案。\n\n"


def ceval_question(item: Item) -> str:
    """One C-Eval question as the official prompt writes it, ending in the full-width colon."""
    return f"{item.stem}\n{options(item, '. ')}\n答案："


def ceval(item: Item, shots: Sequence[Item]) -> str:
    """The official answer-only prompt: header, worked examples in order, the question."""
    worked = "".join(f"{ceval_question(shot)}{shot.answer}\n\n" for shot in shots)
    return ceval_header(item.subject) + worked + ceval_question(item)


def ceval_chat(item: Item, shots: Sequence[Item]) -> Turns:
    """The same for a chat model: the header as system message, the examples as turns."""
    turns = [("system", ceval_header(item.subject).strip())]
    for shot in shots:
        turns += [("user", ceval_question(shot)), ("assistant", shot.answer or "")]
    return (*turns, ("user", ceval_question(item)))


def ceval_released(item: Item, shots: Sequence[Item]) -> str:
    """The released wrapper: `[Round n]`, the header with the English identifier, the answer opened by 答：."""
    header = f"以下是中国关于{item.subject}考试的单项选择题，请选出其中的正确答案。\n\n"
    turns = [(ceval_question(shot), shot.answer or "") for shot in shots] + [(ceval_question(item), "")]
    rounds = [f"[Round {n}]\n\n问：{header if n == 1 else ''}{q}\n\n答：{a}" for n, (q, a) in enumerate(turns, 1)]
    return "\n\n".join(rounds)
