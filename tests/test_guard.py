"""The guard finds planted benchmark items however they are dressed, and leaves unrelated text alone."""

import csv
import json
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chimed.errors import DataError
from chimed.guard import Hit, Index
from tests.upstream import upstream

VIGNETTE = "男，{age}岁。反复{a}{n}年，加重{d}天，伴{b}。查体：{c}。既往有{e}病史{m}年。首先考虑的诊断是"
FILLING = {
    "a": "咳嗽咳痰 上腹疼痛 胸闷气短 头晕头痛 腰背酸痛 双膝肿痛 皮肤瘙痒 多饮多尿".split(),
    "b": "发热盗汗 恶心呕吐 夜间憋醒 视物模糊 下肢麻木 活动受限 食欲减退 体重下降".split(),
    "c": "双肺散在湿啰音 剑突下压痛 心界向左下扩大 眼底可见出血 直腿抬高试验阳性 关节肿胀变形".split(),
    "e": "高血压 糖尿病 冠心病 慢性肾炎 消化性溃疡 类风湿关节炎 支气管哮喘".split(),
}
DISEASES = (
    "慢性支气管炎急性发作 胃溃疡合并出血 急性左心衰竭 高血压视网膜病变 腰椎间盘突出症 类风湿关节炎 特应性皮炎 糖尿病肾病 "
    "扩张型心肌病 肺结核 支气管扩张症 慢性胰腺炎 急性胆囊炎 强直性脊柱炎 痛风性关节炎 带状疱疹"
).split()
TALK = (
    "您好，{a}的情况需要先完善检查再决定治疗方案，平时注意休息，清淡饮食，避免劳累和受凉。如果出现{b}，请及时到正规医院就诊。"
    "有{e}的患者要按时服药，定期复查，不要自行加减药量。检查时若发现{c}，需要住院进一步评估。祝您早日康复！"
)


@dataclass(frozen=True)
class Item:
    set: str
    id: str
    stem: str
    options: tuple[tuple[str, str], ...] = ()
    kind: Literal["choice", "free"] = "choice"
    reference: str | None = None


def filled(template: str, seed: random.Random) -> str:
    words = {name: seed.choice(choices) for name, choices in FILLING.items()}
    return template.format(
        age=seed.randint(18, 90), n=seed.randint(2, 30), d=seed.randint(1, 14), m=seed.randint(1, 40), **words
    )


def written(count: int = 300) -> list[Item]:
    seed = random.Random(7)
    stems = sorted({filled(VIGNETTE, seed) for _ in range(count)})
    items = [
        Item("exam", str(i), stem, tuple(zip("ABCDE", seed.sample(DISEASES, 5), strict=True)))
        for i, stem in enumerate(stems)
    ]
    items.append(Item("exam", "short", "正常成人心率为", (("A", "60次"), ("B", "75～100次"), ("C", "120次"))))
    items.append(
        Item("exam", "terms", "关于急性胰腺炎，哪项错误", (("A", "淀粉酶升高"), ("B", "可有休克"), ("C", "均需手术")))
    )
    items.append(
        Item(
            "talk",
            "q",
            "孩子两岁半，晚上总是磨牙流口水，白天吃饭也不好，是不是肚子里有虫子？",
            kind="free",
            reference=(
                "磨牙不一定是蛔虫引起的，还可能与缺钙、睡前过度兴奋、牙齿排列不齐有关，建议先查大便常规看有没有虫卵。"
            ),
        )
    )
    items.append(Item("talk", "brief", "打嗝怎么办", kind="free", reference="喝水"))
    return items


ITEMS = written()
STEMS = {item.stem for item in ITEMS}


@pytest.fixture(scope="module")
def index() -> Index:
    return Index.build(ITEMS)


def sheet(item: Item, options: list[str] | None = None, mark: str = "{}. {}\n") -> str:
    texts = [text for _, text in item.options] if options is None else options
    return item.stem + "\n" + "".join(mark.format(letter, text) for letter, text in zip("ABCDE", texts, strict=False))


def repunctuated(text: str, seed: random.Random) -> str:
    return re.sub(r"[^\w\s]", lambda _: seed.choice("，,；。 、!"), text).translate(
        {ord("0") + d: ord("０") + d for d in range(10)}
    )


def shuffled(item: Item, seed: random.Random) -> str:
    texts = [text for _, text in item.options]
    return sheet(item, seed.sample(texts, len(texts)), "（{}）{}；")


def in_a_dialogue(item: Item, seed: random.Random) -> list[str]:
    return [filled(TALK, seed), filled(TALK, seed), f"医生，书上有一题：{item.stem}？我不会。", filled(TALK, seed)]


def found(index: Index, item: Item, texts: list[str]) -> bool:
    return any(hit.contaminated and (hit.set, hit.item) == (item.set, item.id) for hit in index.hits(texts))


def rate(index: Index, plant: Any) -> float:
    exams = [item for item in ITEMS if item.options]
    seed = random.Random(11)
    return sum(found(index, item, plant(item, seed)) for item in exams) / len(exams)


def test_verbatim_items_are_found(index: Index) -> None:
    assert rate(index, lambda item, seed: [sheet(item), "答案：A"]) == 1


def test_repunctuated_items_are_found(index: Index) -> None:
    assert rate(index, lambda item, seed: [repunctuated(sheet(item), seed)]) >= 0.99


def test_items_with_shuffled_options_are_found(index: Index) -> None:
    assert rate(index, lambda item, seed: [shuffled(item, seed)]) >= 0.99


def test_a_stem_inside_a_longer_dialogue_is_found(index: Index) -> None:
    assert rate(index, in_a_dialogue) >= 0.99


def test_questions_and_answers_are_found(index: Index) -> None:
    free = next(item for item in ITEMS if item.id == "q")
    assert index.check(["请问" + free.stem, "看情况"]) == Hit("talk", "q", 1.0, 30, "question", True)
    answer = index.check(["别的问题", "您好，" + (free.reference or "") + "祝健康"])
    assert answer is not None
    assert (answer.kind, answer.item, answer.coverage) == ("answer", "q", 1.0)
    half = (free.reference or "")[:25]
    assert index.check(["别的问题", half]) is None
    assert found(index, next(item for item in ITEMS if item.id == "brief"), ["医生，打嗝怎么办？"])


def test_the_same_stem_with_other_options_is_another_question() -> None:
    stem = "下列关于慢性心力衰竭急性加重的叙述，正确的是"
    item = Item(
        "exam",
        "1",
        stem,
        tuple(
            zip(
                "ABCD",
                [
                    "需要限制钠盐摄入并利尿",
                    "禁止使用正性肌力药物治疗",
                    "应大量快速补充晶体液体",
                    "洋地黄中毒后应继续用药",
                ],
                strict=True,
            )
        ),
    )
    index = Index.build([item])
    other = (
        stem + "\nA. 首选β受体阻滞剂静脉推注\nB. 吸氧无助于缓解呼吸困难\nC. 端坐位可减少回心血量\nD. 利钠肽水平不会升高"
    )
    assert index.check([other]) is None
    assert index.check([f"老师，{stem}？请讲讲。"]) is not None


def test_options_strewn_over_a_chapter_do_not_count(index: Index) -> None:
    text = "正常成人心率为每分钟若干次，" + "这里讲的是别的内容。" * 40 + "60次" + "又是别的内容。" * 40 + "120次"
    assert index.check([text]) is None
    assert index.check(["正常成人心率为 A.60次 B.75～100次 C.120次"]) is not None


def test_unrelated_text_raises_no_alarm(index: Index) -> None:
    seed = random.Random(3)
    rows = [[filled(TALK, seed) for _ in range(4)] for _ in range(2000)]
    assert sum(index.check(row) is not None for row in rows) == 0


def test_no_gram_reaches_across_two_texts() -> None:
    question = "孩子两岁半晚上总是磨牙流口水白天吃饭也不好怎么办"
    index = Index.build([Item("talk", "q", question + "要查什么", kind="free")])
    assert index.hits([question])
    assert index.hits([question[:12], question[12:]]) == []


def test_empty_and_odd_texts(index: Index) -> None:
    for texts in ([], [""], ["", ""], ["\ud800"], ["\U0010ffff" * 20], ["㎎" * 50], ["\ufdd0"]):
        assert index.check(texts) is None
    assert Index.build([]).check(["任何文字"]) is None
    assert Index.build([Item("exam", "0", "", ())]).check(["任何文字"]) is None


def test_long_texts_fit(index: Index) -> None:
    far = "别的内容，" * 50_000 + sheet(ITEMS[5])
    assert found(index, ITEMS[5], [far])


def test_compatibility_forms_and_case_are_folded() -> None:
    item = Item(
        "exam", "u", "患者每日静脉滴注 5MG/KG 的药物后出现不良反应，最可能的原因是什么", (("A", "过敏"), ("B", "中毒"))
    )
    assert (
        Index.build([item]).check(["患者每日静脉滴注５㎎/㎏的药物后，出现不良反应。最可能的原因是什么？"]) is not None
    )


def test_save_and_load_give_the_same_answers_and_no_text(index: Index, tmp_path: Path) -> None:
    place = tmp_path / "guard.index"
    index.save(place)
    opened = Index.load(place)
    assert opened.digest() == index.digest()
    seed = random.Random(5)
    rows = [[shuffled(item, seed)] for item in ITEMS[:50]] + [[filled(TALK, seed)] for _ in range(50)]
    assert [opened.hits(row) for row in rows] == [index.hits(row) for row in rows]
    raw = place.read_bytes()
    for encoding in ("utf-8", "utf-32-le", "utf-16-le"):
        assert ITEMS[0].stem[:4].encode(encoding) not in raw
    assert sorted(path.name for path in tmp_path.iterdir()) == ["guard.index"]


def test_bytes_of_the_index_depend_on_the_items_alone(index: Index, tmp_path: Path) -> None:
    index.save(tmp_path / "a")
    Index.build(iter(ITEMS)).save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert Index.build(ITEMS[:-1]).digest() != index.digest()


def test_a_foreign_index_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "old").open("wb") as file:
        np.savez(file, format=np.array([0]))
    with pytest.raises(DataError, match="not a guard index"):
        Index.load(tmp_path / "old")


def naive(item: str, text: str) -> tuple[float, int]:
    """Coverage and longest run by the definition, on text that is already folded."""
    covered = [False] * len(item)
    for i in range(len(item) - 12):
        if item[i : i + 13] in text:
            covered[i : i + 13] = [True] * 13
    runs = "".join("x" if yes else " " for yes in covered).split()
    return sum(covered) / len(item), max(map(len, runs), default=0)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_coverage_and_run_are_those_of_the_definition(data: st.DataObject) -> None:
    question = data.draw(st.text(alphabet="甲乙丙丁", min_size=26, max_size=90))
    pieces = data.draw(
        st.lists(st.tuples(st.integers(0, 89), st.integers(0, 60), st.text(alphabet="甲乙戊", max_size=5)), max_size=5)
    )
    text = "".join(question[start : start + size] + noise for start, size, noise in pieces)
    hits = Index.build([Item("talk", "q", question, kind="free")]).hits([text])
    coverage, run = naive(question, text)
    assert [(hit.coverage, hit.run) for hit in hits] == ([(coverage, run)] if coverage >= 0.2 else [])
    assert all(hit.contaminated == (coverage >= 0.5 and run >= 20) for hit in hits)


def choices(path: Path) -> list[Item]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["Question"] and row["Options"]]
    return [
        Item(path.stem, str(i), row["Question"], tuple((line[:1], line[2:]) for line in row["Options"].splitlines()))
        for i, row in enumerate(rows)
    ]


def test_real_exam_rows_find_themselves_and_unrelated_sources_do_not() -> None:
    dev = upstream()
    items = choices(dev / "cmexam/data/val.csv")
    index = Index.build(items)
    missed = [item.stem for item in items if not found(index, item, [sheet(item)])]
    assert len(missed) <= 0.01 * len(items), missed
    rows = [json.loads(line) for line in (dev / "hc3_chinese/medicine.jsonl").read_text(encoding="utf-8").splitlines()]
    unrelated = [[row["question"], *(a for a in row["human_answers"] if a)] for row in rows]
    unrelated += json.loads(next((dev / "meddialog_cn/processed").glob("train*")).read_text(encoding="utf-8"))
    alarms = sum(index.check(texts) is not None for texts in unrelated)
    assert alarms <= 0.001 * len(unrelated)
