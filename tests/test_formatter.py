"""What a record looks like in each split; medical content comes out as it went in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimed.build.rows import _messages
from chimed.formatter import messages_of, publish, texts_of
from chimed.records import (
    Choice,
    DpoRow,
    Entity,
    Instruction,
    Message,
    Option,
    Passage,
    Preference,
    Question,
    Record,
    Relation,
    SftRow,
)
from chimed.source import Skip

CHOICE = Choice(
    stem="首选药物是", answer="AC", explanation="见（A对）。",
    options=(Option(letter="A", text="青霉素 0.125g"), Option(letter="C", text="红霉素 ≤5mg/kg")),
)  # fmt: skip


def turns(*contents: str) -> tuple[Message, ...]:
    return tuple(Message(role="assistant" if i % 2 else "user", content=c) for i, c in enumerate(contents))


def test_a_choice_keeps_letters_texts_and_explanation() -> None:
    cpt = texts_of(CHOICE, "cpt")
    assert cpt is not None
    assert cpt.texts == (
        "题目：首选药物是\nA. 青霉素 0.125g\nC. 红霉素 ≤5mg/kg\n答案：AC（青霉素 0.125g；红霉素 ≤5mg/kg）\n解析：见（A对）。",
    )
    sft = texts_of(CHOICE, "sft")
    assert sft is not None
    assert sft.roles == "ua"
    assert sft.texts[1].startswith("答案：AC（")


def test_an_entity_is_one_text_with_all_its_relations() -> None:
    entity = Entity(name="高血压", type="疾病", relations=(Relation(name="症状", values=("头痛", "眩晕")),))
    texts = texts_of(entity, "cpt")
    assert texts is not None
    assert texts.texts == ("高血压（疾病）\n症状：头痛、眩晕",)


def test_a_question_serves_both_splits() -> None:
    question = Question(question="布洛芬怎么吃？", answer="每次0.2～0.4g。")
    assert [t.roles for s in ("cpt", "sft") if (t := texts_of(question, s))] == ["t", "ua"]
    assert texts_of(question, "dpo") is None


def test_kinds_without_a_form_in_a_split_give_nothing() -> None:
    assert texts_of(Passage(text="书"), "sft") is None
    assert texts_of(Preference(prompt=turns("问"), chosen="甲", rejected="乙"), "cpt") is None


@pytest.mark.parametrize("messages", [turns("a", "b", "c"), turns("a"), (), turns("a", " "), turns("a", "b")[::-1]])
def test_messages_that_do_not_alternate_to_an_answer_are_lost(messages: tuple[Message, ...]) -> None:
    with pytest.raises(Skip, match="broken_turns"):
        texts_of(Instruction(messages=messages), "sft")


def test_a_system_message_stays_first() -> None:
    record = Instruction(messages=(Message(role="system", content="你是医生"), *turns("问", "答", "再问", "再答")))
    texts = texts_of(record, "sft")
    assert texts is not None
    row = publish("sft", *texts) | {"id": "s:1", "source": "s", "domain": "medical", "license": "MIT"}
    assert SftRow.model_validate(row).rounds == "multi"
    assert row["messages"][0] == {"role": "system", "content": "你是医生"}


def test_a_preference_is_published_as_lists_of_messages() -> None:
    texts = texts_of(Preference(prompt=turns("问", "答", "再问"), chosen="好", rejected="差"), "dpo")
    assert texts is not None
    row = publish("dpo", *texts) | {"id": "s:1", "source": "s", "domain": "medical", "license": "MIT"}
    assert len(DpoRow.model_validate(row).prompt) == 3
    assert row["chosen"] == [{"role": "assistant", "content": "好"}]


def test_answers_that_differ_in_white_space_alone_are_no_preference() -> None:
    with pytest.raises(Skip, match="equal_pair"):
        texts_of(Preference(prompt=turns("问"), chosen="好 的", rejected="好的\n"), "dpo")


@given(st.lists(st.lists(st.text(min_size=1).filter(str.strip), min_size=2, max_size=6), min_size=1, max_size=5))
def test_columnar_messages_equal_row_by_row(rows: list[list[str]]) -> None:
    import pyarrow as pa

    even = [row[: len(row) // 2 * 2] for row in rows]
    roles = ["ua" * (len(row) // 2) for row in even]
    built = _messages(pa.array(even, pa.list_(pa.string())), pa.array(roles))
    assert built.to_pylist() == [messages_of(row, code) for row, code in zip(even, roles, strict=True)]


@given(st.text(min_size=1).filter(str.strip))
def test_running_text_is_only_stripped(text: str) -> None:
    record: Record = Passage(text=text)
    texts = texts_of(record, "cpt")
    assert texts is not None
    assert texts.texts == (text.strip(),)
