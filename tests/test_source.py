"""Sources are found by one road; a broken plug-in is a warning, two of one name an error, options are checked."""

import pickle
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chimed import source as sources
from chimed.errors import UsageError
from chimed.source import Row, discover, load, names


def point(name: str, value: str, package: str) -> Any:
    made = EntryPoint(name=name, value=value, group=sources.GROUP)
    return SimpleNamespace(name=name, value=value, load=made.load, dist=SimpleNamespace(name=package, version="0.3"))


@pytest.fixture
def offers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    offered = [point("school_math", "chimed.sources.school_math:source", "qilin-chimed")]
    monkeypatch.setattr(sources, "entry_points", lambda group: offered)
    sources._offers.cache_clear()
    yield offered
    sources._offers.cache_clear()


def test_a_second_package_is_found_by_the_same_road(offers: list[Any]) -> None:
    offers.append(point("xywy_kg", "chimed.sources.xywy_kg:source", "mine"))
    assert names() == list(discover()) == ["school_math", "xywy_kg"]


@pytest.mark.parametrize(
    "value",
    ["no.such.module:source", "chimed.sources.school_math:nothing", "json:dumps", "chimed.sources.xywy_kg:source"],
)
def test_a_broken_plug_in_is_one_warning_with_its_package(value: str, offers: list[Any]) -> None:
    offers.append(point("theirs", value, "chimed-mine"))
    with pytest.warns(UserWarning, match=r"'theirs' of chimed-mine 0\.3 is broken") as seen:
        assert list(discover()) == ["school_math"]
    assert len(seen) == 1
    with pytest.raises(UsageError, match="chimed-mine"):
        load("theirs")
    assert load("school_math").name == "school_math"


def test_two_packages_with_one_name_are_an_error_that_names_both(offers: list[Any]) -> None:
    offers.append(point("school_math", "other:source", "chimed-mine"))
    with pytest.raises(UsageError, match=r"'school_math': qilin-chimed 0\.3 and chimed-mine 0\.3"):
        discover()


def test_one_package_listed_twice_is_no_conflict(offers: list[Any]) -> None:
    offers.append(point("school_math", "chimed.sources.school_math:source", "qilin-chimed"))
    assert names() == ["school_math"]


def test_an_unknown_name_gets_a_hint(offers: list[Any]) -> None:
    with pytest.raises(UsageError, match="did you mean 'school_math'"):
        load("school_maths")


def test_options_are_checked_by_name_and_value(tmp_path: Path) -> None:
    source = load("hc3_chinese")
    assert source.with_options({}) is source
    with pytest.raises(UsageError, match="did you mean 'answers'"):
        source.with_options({"answer": "human"})
    with pytest.raises(UsageError, match="chatgpt, human, both"):
        source.with_options({"answers": "all"})
    with pytest.raises(UsageError, match="no option"):
        load("school_math").with_options({"x": "y"})


def rows(name: str, folder: Path, options: dict[str, str]) -> list[tuple[int, Any]]:
    source = load(name).with_options(options)
    found = source.reader.read(folder, source.files(folder))
    return [(row.rows, source.parse(row)) for row in found if isinstance(row, Row)]


def test_hc3_gives_the_answers_of_either_side_or_both(tmp_path: Path) -> None:
    line = '{"question": "问", "human_answers": [null, "人"], "chatgpt_answers": ["", "机\\\\n器"]}\n'
    (tmp_path / "medicine.jsonl").write_text(line, encoding="utf-8")
    said = {
        answers: [
            (count, record.messages[1].content) for count, record in rows("hc3_chinese", tmp_path, {"answers": answers})
        ]
        for answers in ("chatgpt", "human", "both")
    }
    assert said == {"chatgpt": [(1, "机\n器")], "human": [(1, "人")], "both": [(1, "机\n器"), (0, "人")]}
    ((_, record),) = rows("hc3_chinese", tmp_path, {})
    assert (record.license, record.domain) == ("CC-BY-NC-4.0", "medical")


def test_zhongjing_pairs(tmp_path: Path) -> None:
    line = '[{"instruction": "问", "input": "", "output": ["一", "二", "三"], "history": [["前", "后"]]}]'
    (tmp_path / "rlhf2000_7_31.json").write_text(line, encoding="utf-8")
    pairs = {
        policy: [(record.chosen, record.rejected) for _, record in rows("zhongjing_rlhf", tmp_path, {"pairs": policy})]
        for policy in ("first-second", "first-last", "all")
    }
    assert pairs == {
        "first-second": [("一", "二")], "first-last": [("一", "三")], "all": [("一", "二"), ("一", "三"), ("二", "三")],
    }  # fmt: skip
    ((_, record),) = rows("zhongjing_rlhf", tmp_path, {})
    assert [message.content for message in record.prompt] == ["前", "后", "问"]


def test_health39_merges_rows_of_one_name(tmp_path: Path) -> None:
    names = "name alias part age infection insurance department checklist symptom complication treatment drug period rate money"
    header = names.replace(" ", ",") + ",,,,,"
    table = [
        header, "感冒,,,成人,,,内科,血常规 [详细],,,,药甲 药乙... [详细],3天,,,,,,,", "2-10天,,,,,,,,,,,,,,,x,,,,",
        " 感冒,伤风、风寒,,老人,,,,,发热 [详细],暂无相关资料,,,,,,,,,,",
    ]  # fmt: skip
    (tmp_path / "disease.csv").write_bytes("\n".join(table).encode("gb18030"))
    source = load("health39_kg").with_options({"merge": "name"})
    found = list(source.reader.read(tmp_path, ["disease.csv"]))
    assert [(row.rows, getattr(row, "reason", "")) for row in found] == [(1, "shifted_columns"), (2, "")]
    record = source.parse(found[1])  # type: ignore[arg-type]
    relations = {relation.name: relation.values for relation in record.relations}  # type: ignore[attr-defined]
    assert relations == {
        "别名": ("伤风", "风寒"), "就诊科室": ("内科",), "检查": ("血常规",), "症状": ("发热",), "药品": ("药甲",),
        "多发人群": ("成人",), "治疗周期": ("3天",),
    }  # fmt: skip


def test_huatuo_gives_each_paraphrase_when_asked(tmp_path: Path) -> None:
    line = '{"questions": [["问一", "问二"], ["问一"]], "answers": ["答"]}\n'
    (tmp_path / "train_datasets.jsonl").write_text(line, encoding="utf-8")
    ((_, whole),) = rows("huatuo_encyclopedia", tmp_path, {})
    assert (whole.question, whole.paraphrases) == ("问一", ("问二",))
    each = rows("huatuo_encyclopedia", tmp_path, {"paraphrases": "each"})
    assert [(count, record.question) for count, record in each] == [(1, "问一"), (0, "问二")]


def test_files_of_one_split(tmp_path: Path) -> None:
    for name in ("cpt.txt", "sft.jsonl", "dpo.json"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    source = load("chimed_release")
    assert source.files(tmp_path) == ["cpt.txt", "sft.jsonl", "dpo.json"]
    assert [source.files(tmp_path, split) for split in ("cpt", "sft", "dpo")] == [
        ["cpt.txt"],
        ["sft.jsonl"],
        ["dpo.json"],
    ]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", names())
def test_every_source_travels_to_worker_processes(name: str) -> None:
    there = pickle.loads(pickle.dumps(load(name)))
    assert there.name == name
    for option, values in there.options.items():
        assert pickle.loads(pickle.dumps(there.with_options({option: values[-1]}))).name == name
