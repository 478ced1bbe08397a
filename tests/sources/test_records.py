"""What a row of each source becomes: contents kept exactly, repairs and losses by name."""

from typing import Any

import pytest

from chimed.source import Row, Skip, load


def parsed(name: str, value: Any, file: str = "file") -> Any:
    return load(name).parse(Row(file, 1, value))


def turns(record: Any) -> list[str]:
    return [f"{message.role[0]}:{message.content}" for message in record.messages]


def lost(name: str, value: Any, file: str = "file") -> str:
    with pytest.raises(Skip) as skip:
        parsed(name, value, file)
    return skip.value.reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"instruction": "q", "output": " "}, "empty_answer"),
        ({"instruction": None, "output": "a"}, "empty_question"),
        ({"instruction": "q"}, "wrong_shape"),
        ({"instruction": 5, "output": "a"}, "wrong_shape"),
        ({"instruction": "q", "input": [1], "output": "a"}, "wrong_shape"),
        (["q", "a"], "wrong_shape"),
        ({"input": "\\n", "target": "a"}, "empty_question"),
        ({"conversations": [{"from": "human", "value": "q"}]}, "broken_turns"),
        ({"conversations": [{"from": "doctor", "value": "q"}]}, "wrong_shape"),
        ({"conversations": "q"}, "wrong_shape"),
    ],
)
@pytest.mark.parametrize("name", ["school_math", "belle_train_1m", "belle_train_2m", "belle_train_3_5m"])
def test_belle_losses(name: str, value: Any, reason: str) -> None:
    assert lost(name, value) == reason


def test_instruction_and_input_are_joined_and_stripped() -> None:
    record = parsed("belle_train_2m", {"instruction": " 译\n", "input": " 0.5 mg ", "output": "\n\n答 "})
    assert turns(record) == ["u:译\n0.5 mg", "a:答"]
    assert record.repairs == ("stripped",)
    assert parsed("belle_train_2m", {"instruction": "问", "input": "", "output": "答"}).repairs == ()
    older = parsed("belle_train_1m", {"input": "一\\n二", "target": "三"})
    assert (turns(older), older.repairs) == (["u:一\n二", "a:三"], ("newline_unescaped",))


def test_the_label_of_an_input_is_removed_only_in_front() -> None:
    record = parsed("alpaca_gpt4_zh", {"instruction": "改写", "input": "### 输入： 文中有 输入：", "output": "好"})
    assert (turns(record), record.repairs) == (["u:改写\n文中有 输入：", "a:好"], ("removed_label",))
    suffixed = {"instruction_zh": "问", "input_zh": "", "output_zh": "答", "instruction": "", "output": ""}
    assert turns(parsed("alpaca_gpt4_zh", suffixed)) == ["u:问", "a:答"]


def conversation(*spoken: str) -> dict[str, Any]:
    names = {"u": "human", "a": "assistant", "s": "system"}
    return {"id": "9", "conversations": [{"from": names[text[0]], "value": text[2:]} for text in spoken]}


def test_the_turn_rule() -> None:
    record = parsed("belle_train_3_5m", conversation("u: 一", "a:二", "u:三"))
    assert (turns(record), record.repairs) == (["u:一", "a:二"], ("dropped_last_user", "stripped"))
    assert record.upstream_id == "9"
    assert turns(parsed("belle_train_3_5m", conversation("s:令", "u:一", "a:二"))) == ["s:令", "u:一", "a:二"]
    assert turns(parsed("belle_train_3_5m", conversation("s: ", "u:一", "a:二"))) == ["u:一", "a:二"]
    for broken in (
        ("a:一", "u:二"),
        ("u:一", "u:二", "a:三"),
        ("u:一", "a: "),
        ("u:一", "s:令", "a:二"),
        ("s:令", "u:一"),
        (),
    ):
        assert lost("belle_train_3_5m", conversation(*broken)) in {"broken_turns", "wrong_shape"}


@pytest.mark.parametrize(
    ("text", "last", "wanted"),
    [
        ("Human:一\nAssistant: 二\nHuman：三\nAssistant:", "四", ["u:一", "a:二", "u:三", "a:四"]),
        ("Human: 说Human好\nAssistant:", "答", ["u:说Human好", "a:答"]),
        ("Human:一 Assistant:二\nAssistant:", "三", "leftover_marker"),
        ("Human:一\nAssistant:", "Human: 二", "leftover_marker"),
        ("前言\nHuman:一\nAssistant:", "二", "broken_turns"),
        ("Human:\nAssistant:", "二", "broken_turns"),
        ("Human:一\nHuman:二\nAssistant:", "三", "broken_turns"),
        ("一", "二", "broken_turns"),
        (None, "二", "wrong_shape"),
    ],
)
def test_markers_of_multiturn_chat(text: Any, last: str, wanted: Any) -> None:
    value = {"instruction": text, "input": "", "output": last}
    if isinstance(wanted, str):
        assert lost("belle_multiturn_chat", value) == wanted
    else:
        assert turns(parsed("belle_multiturn_chat", value)) == wanted


def test_instruct_chat_lists() -> None:
    record = parsed("instruct_chat", {"input": ["一", "三", "五"], "output": ["二", "四"]})
    assert (turns(record), record.repairs) == (["u:一", "a:二", "u:三", "a:四"], ("cut_to_equal",))
    assert turns(parsed("instruct_chat", {"input": "一", "output": "二"})) == ["u:一", "a:二"]
    assert lost("instruct_chat", {"input": ["一", ""], "output": ["二", "四"]}) == "broken_turns"
    assert lost("instruct_chat", {"input": [], "output": []}) == "broken_turns"
    assert lost("instruct_chat", {"input": ["一"], "output": "二"}) == "wrong_shape"


def test_safety_prompts_keep_their_type() -> None:
    record = parsed("safety_prompts", {"Insult": {"prompt": "问", "response": "n\n\n作为", "type": "Insult"}})
    assert (turns(record), record.repairs, record.metadata) == (
        ["u:问", "a:作为"],
        ("newline_unescaped",),
        {"type": "Insult"},
    )
    assert lost("safety_prompts", {"Insult": "text"}) == "wrong_shape"
    assert lost("safety_prompts", {"Insult": {"prompt": "", "response": "a"}}) == "empty_question"


def test_choices_keep_letters_spaces_and_annotations() -> None:
    value = {
        "Question": " 题 ", "Options": "A 甲 乙\r\nC DNA\nE 5 mg\\nF 续", "Answer": "CE", "Explanation": "因\\n为",
        "Clinical Department": "内科",
    }  # fmt: skip
    record = parsed("cmexam", value)
    assert [f"{option.letter} {option.text}" for option in record.options] == ["A 甲 乙", "C DNA", "E 5 mg", "F 续"]
    assert (record.stem, record.answer, record.explanation) == ("题", "CE", "因\n为")
    assert (record.repairs, record.metadata) == (("newline_unescaped",), {"Clinical Department": "内科"})
    listed = {**value, "Options": [{"key": "C", "value": "x"}, {"key": "E", "value": "y"}], "Explanation": None}
    assert parsed("cmexam", listed).explanation is None
    assert lost("cmexam", {**value, "Question": None}) == "empty_question"
    assert lost("cmexam", {**value, "Answer": "nan"}) == "no_answer_key"
    assert lost("cmexam", {**value, "Answer": "CB"}) == "answer_not_in_options"
    assert lost("cmexam_explanation", {**value, "Answer": "", "Explanation": ""}) == "no_answer_key"
    assert lost("cmexam_explanation", {**value, "Explanation": "nan"}) == "no_explanation"
    assert lost("cmexam_explanation", {**value, "Explanation": "请等待更新"}) == "placeholder"


def test_huatuo_depths_and_texts() -> None:
    record = parsed("huatuo_encyclopedia", {"questions": [[None, " 问 "], ["问二"]], "answers": ["答<001>", "", "又"]})
    assert (record.question, record.answer, record.paraphrases) == ("问", "答<001>\n又", ("问二",))
    assert parsed("huatuo_encyclopedia", {"text": "一段"}).kind == "passage"
    assert lost("huatuo_knowledge_graph", {"questions": [[" "]], "answers": ["答"]}) == "empty_question"
    assert lost("huatuo_knowledge_graph", {"questions": "问", "answers": []}) == "empty_answer"
    assert lost("huatuo_knowledge_graph", {"questions": [1], "answers": ["答"]}) == "wrong_shape"


def test_dialogues_of_departments() -> None:
    value = {"department": "内科", "title": "题", "ask": "问", "answer": " 答"}
    record = parsed("chinese_medical_dialogue", value)
    assert (turns(record), record.metadata) == (["u:题\n问", "a:答"], {"department": "内科"})
    assert turns(parsed("chinese_medical_dialogue", {**value, "ask": "无"})) == ["u:题", "a:答"]
    other = {"department": "", "title": "", "question": "问", "answer": "答"}
    assert turns(parsed("chinese_medical_dialogue", other)) == ["u:问", "a:答"]
    assert lost("chinese_medical_dialogue", {**value, "answer": ""}) == "empty_answer"
    assert lost("chinese_medical_dialogue", {**value, "title": "", "ask": "无"}) == "empty_question"


BLOCK = """id=7
https://www.haodf.com/x

Doctor faculty
某某医院 呼吸科

Description
疾病：
肺炎
病情描述（发病时间、主要症状、就诊医院等）：
体温37
5天了
希望获得的帮助：
想问

Dialogue
医生：
您好
病人：
吃0
病人：
5片
医生：多喝水
病人：
好
"""


def test_a_raw_consultation() -> None:
    record = parsed("meddialog_cn", BLOCK)
    assert turns(record) == ["u:体温37\n5天了", "a:您好", "u:吃0\n5片", "a:多喝水"]
    assert (record.upstream_id, record.metadata) == ("7", {"disease": "肺炎", "department": "呼吸科"})
    assert record.repairs == ("dropped_last_user", "merged_speaker")
    assert "haodf" not in record.model_dump_json() and "某某医院" not in record.model_dump_json()
    assert lost("meddialog_cn", BLOCK.split("Dialogue")[0]) == "no_dialogue"
    assert lost("meddialog_cn", BLOCK.split("医生：\n您好")[0]) == "no_reply"
    assert turns(parsed("meddialog_cn", BLOCK.replace("病情描述", "病情简述"))) == ["u:吃0\n5片", "a:多喝水"]


def test_processed_consultations_split_at_the_first_colon() -> None:
    assert turns(parsed("meddialog_cn", ["病人：问：甲", "医生：答"])) == ["u:问：甲", "a:答"]
    assert parsed("meddialog_cn", {"Turn": 1, "Id": 19, "Dialogue": ["病人：问", "医生：答"]}).upstream_id == "19"
    assert lost("meddialog_cn", ["问", "答"]) == "wrong_shape"
    assert lost("meddialog_cn", ["病人：一", "病人：二", "医生：三"]) == "broken_turns"


def test_cmd_takes_any_multi_turn_layout() -> None:
    history = {"instruction": "三", "input": "", "output": "四", "history": [["一", "二"]], "cate1": "内科"}
    record = parsed("cmd", history)
    assert (turns(record), record.metadata) == (["u:一", "a:二", "u:三", "a:四"], {"cate1": "内科"})
    assert turns(parsed("cmd", {"instruct": " 一", "output": "二"})) == ["u:一", "a:二"]
    roles = {"科室": "外科", "conversations": [{"from": "病人", "value": "一"}, {"from": "医生", "value": "二"}]}
    assert parsed("cmd", roles).metadata == {"department": "外科"}
    assert lost("cmd", {**history, "history": ["一"]}) == "wrong_shape"
    assert lost("cmd", {**history, "output": None}) == "wrong_shape"


def test_graph_of_triples_keeps_types_order_and_direction() -> None:
    triples = [
        ["病@@x@@疾病", "药", "乙@@药物"],
        ["病", "症", "痛"],
        ["病@@疾病", "药", "甲@@药物"],
        ["病@@疾病", "药", "乙@@药物"],
    ]
    record = parsed("cpubmed_kg", triples)
    assert (record.name, record.type) == ("病", "疾病")
    assert [(relation.name, relation.values) for relation in record.relations] == [
        ("药", ("乙", "甲")),
        ("症", ("痛",)),
    ]
    assert record.metadata["tail_types"] == '{"乙":"药物","甲":"药物"}'


def test_graph_of_xywy() -> None:
    value = {
        "_id": {"$oid": "5b"},
        "name": "病",
        "cure_way": "药物",
        "symptom": ["痛", ""],
        "do_eat": [],
        "cause": None,
    }
    record = parsed("xywy_kg", value)
    assert [(relation.name, relation.values) for relation in record.relations] == [
        ("症状", ("痛",)),
        ("治疗方式", ("药物",)),
    ]
    assert record.upstream_id == "5b"
    assert lost("xywy_kg", {"name": " "}) == "empty_question"
    assert lost("xywy_kg", {"name": "病", "check": [{"x": 1}]}) == "wrong_shape"


def test_preferences() -> None:
    value = {"instruction": "问", "input": "文", "output": ["好", "好 ", "差"], "history": []}
    assert lost("zhongjing_rlhf", value) == "equal_pair"
    assert lost("zhongjing_rlhf", {**value, "output": ["好"]}) == "single_response"
    assert lost("zhongjing_rlhf", {**value, "output": "好"}) == "wrong_shape"
    assert lost("zhongjing_rlhf", {**value, "output": ["好", None]}) == "empty_answer"
    assert lost("zhongjing_rlhf", {**value, "instruction": ""}) == "empty_question"
    tool = {"id": "0", "query": "问", "history": "[['一', '二']]", "rank1": "好", "rank2": "差", "rank3": ""}
    record = parsed("zhongjing_rlhf", tool)
    assert [message.content for message in record.prompt] == ["一", "二", "问"]
    assert lost("zhongjing_rlhf", {**tool, "history": "__import__('os')"}) == "wrong_shape"
    reward = {
        "system": "你是医生",
        "history": [["一", "二"]],
        "question": "问",
        "response_chosen": "好",
        "response_rejected": "差 ",
    }
    record = parsed("medicalgpt_reward", reward, "reward/train.json")
    assert [message.role for message in record.prompt] == ["system", "user", "assistant", "user"]
    assert (record.chosen, record.rejected, record.repairs, record.domain) == ("好", "差", ("stripped",), None)
    later = {"conversations": [{"from": "human", "value": "问"}], "chosen": "好", "rejected": {"value": "差"}}
    assert parsed("medicalgpt_reward", later, "dpo_zh_500.jsonl").domain == "general"
