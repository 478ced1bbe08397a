"""Answer extraction on hand-written generations: one half shaped the rules, the other was set aside before them."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qilin_stages.evals.extract import extract

SETS = Path(__file__).parent / "extraction"
DRUGS = dict(zip("ABCDE", "青霉素 红霉素 四环素 庆大霉素 氯霉素".split(), strict=True))


def rows(name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (SETS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("name", ["development", "heldout"])
def test_98_percent_of_each_half_are_read_as_a_reader_would(name: str) -> None:
    wrong = []
    for row in rows(name):
        found = extract(row["generation"], row["options"], cot=row["style"] == "cot")  # type: ignore[arg-type]
        if found.letters != row["answer"]:
            wrong.append((row["id"], row["generation"], row["answer"], found))
    assert len(wrong) <= 0.02 * len(rows(name)), wrong


def test_the_set_is_large_and_covers_what_it_should() -> None:
    every = rows("development") + rows("heldout")
    kinds = {row["what"] for row in every}
    assert len(every) >= 150
    assert {"multi", "trap", "correction", "refusal", "format", "named"} <= kinds
    assert sum(row["style"] == "cot" for row in every) >= 10


@pytest.mark.parametrize(
    ("generation", "letters", "tier"),
    [
        ("答案：B", "B", "1"), ("故选B", "B", "2"), ("B", "B", "3"), ("B正确", "B", "4"), ("红霉素", "B", "5"),
        ("不知道", None, "none"),
    ],
)  # fmt: skip
def test_the_tier_is_named(generation: str, letters: str | None, tier: str) -> None:
    found = extract(generation, DRUGS)
    assert (found.letters, found.tier) == (letters, tier)


def test_a_decimal_point_is_kept() -> None:
    """0.4 mg is never read as 4 mg."""
    doses = {"A": "4mg", "B": "40mg", "C": "0.4mg"}
    assert extract("剂量0.4mg", doses).letters == "C"
    assert extract("剂量0.4mg", {"A": "4mg", "B": "40mg"}).letters is None


def test_a_reasoned_answer_counts_from_its_end() -> None:
    text = "先看A，似乎选A。但患者过敏，最终答案是B。"
    assert extract(text, DRUGS, cot=True).letters == "B"


@settings(max_examples=300, deadline=None)
@given(
    st.text(alphabet=st.sampled_from("ABCDE答案是选正确错误不，。、：\n 青霉素B超(【*#"), max_size=40), st.booleans()
)
def test_any_text_gives_sorted_option_letters_or_none(text: str, cot: bool) -> None:
    found = extract(text, DRUGS, cot=cot)
    assert found.letters is None or (
        set(found.letters) <= set(DRUGS) and found.letters == "".join(sorted(found.letters))
    )
    assert (found.letters is None) == (found.tier == "none")


@given(st.text(max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    extract(text, {"A": text[:3], "B": ""})
    extract(text, {})


@pytest.mark.parametrize(
    ("generation", "letters"),
    [
        ("I think it's B", "B"),
        ("The correct option is B because A is wrong", "B"),
        ("Option C is the right choice.", "C"),
        ("The answer is not A, it is B.", "B"),
        ("Not A but B", "B"),
        ("I would choose C.", "C"),
        ("Therefore, C.", "C"),
        ("So the answer should be A", "A"),
        ("The correct answers are A and C.", "AC"),
        ("A, B and D", "ABD"),
        ("It is A common disease of children.", None),
        ("Sorry, I can't help with that.", None),
        ("<think>A? B?</think>C", "C"),
        ("<answer>B</answer>", "B"),
        ("「B」", "B"),
        ("A×，B√，C×", "B"),
        ("A选项：错误。B选项：正确。", "B"),
        ("A、B、C都不是，D才是正确答案", "D"),
        ("选B不是A", "B"),
        ("与其选A，不如选B", "B"),
    ],
)
def test_english_marks_and_negations_are_read(generation: str, letters: str | None) -> None:
    assert extract(generation, DRUGS).letters == letters


@pytest.mark.parametrize(
    ("generation", "letters"),
    [
        ("正确答案是B。选A是常见错误。", "B"),
        ("正确答案是B。很多人会选A，这是错误的。", "B"),
        ("排除A、B、D、E，剩下C", "C"),
        ("A is tempting. Therefore the correct answer is option (B)", "B"),
    ],
)
def test_the_last_verdict_of_a_reasoned_answer_is_one_that_stands(generation: str, letters: str) -> None:
    assert extract(generation, DRUGS, cot=True).letters == letters
