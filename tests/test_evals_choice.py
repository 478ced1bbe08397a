"""Choice metrics against scikit-learn, and the released evaluator's answers."""

import random

import pytest
from sklearn.metrics import accuracy_score, f1_score

from qilin_stages.evals import choice

KEYS = ["A", "B", "C", "D", "E", "AB", "ABD", "ABCDE"]
DRUGS = dict(zip("ABCDE", "青霉素 红霉素 四环素 庆大霉素 氯霉素".split(), strict=True))


@pytest.mark.parametrize("seed", range(20))
def test_accuracy_and_weighted_f1_equal_sklearn(seed: int) -> None:
    rng = random.Random(seed)
    keys = rng.choices(KEYS, k=60)
    answers = [k if rng.random() < 0.4 else rng.choice([*KEYS, None]) for k in keys]
    given = [a or choice.MISSING for a in answers]
    assert choice.accuracy([k == a for k, a in zip(keys, answers, strict=True)]) == pytest.approx(
        100 * accuracy_score(keys, given)
    )
    expected = f1_score(keys, given, average="weighted", zero_division=0)
    assert choice.weighted_f1(keys, answers) == pytest.approx(100 * expected)


def test_order_of_letters_does_not_count_and_every_letter_does() -> None:
    assert choice.judge("答案：DBA", DRUGS, "ABD").correct
    assert not choice.judge("答案：AB", DRUGS, "ABD").correct
    assert not choice.judge("", DRUGS, "A").correct


@pytest.mark.parametrize(
    ("generation", "expected"),
    [
        ("CT检查提示，选B", "CT"),
        ("选项A和B都错，故选C", "A"),
        ("维生素D缺乏，答案是B。", "D"),
        ("A错。所以答案是C。", "C"),
        ("应当用红霉素治疗", "B"),
        ("青霉素或红霉素", None),
    ],
)
def test_the_released_evaluator_reads_as_published(generation: str, expected: str | None) -> None:
    assert choice.released_answer(generation, DRUGS) == expected


def test_unanswered_items_stay_in_the_denominator() -> None:
    judged = [choice.judge(g, DRUGS, "A") for g in ("答案：A", "我不知道")]
    figures = choice.aggregate(["A", "A"], judged)
    assert (figures["accuracy"], figures["answered"], figures["n"]) == (50, 50, 2)


def test_confusion_shows_missing_and_multiple_answers() -> None:
    assert choice.confusion(["A", "A", "A", "AB"], ["A", None, "AB", "AB"]) == {"A": {"A": 1, "多选": 1, "无答案": 1}}
