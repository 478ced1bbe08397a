"""On the real upstream files every source reads, keeps and loses exactly what their table of truth says."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from chimed.source import BadRow, Skip, Source, load
from tests.upstream import upstream

Count = tuple[int, int, int, dict[str, int]]
SPECIAL = {
    "cmexam": "cmexam (question, cpt)",
    "cmexam_explanation": "cmexam (explanation, sft)",
    "hc3_chinese": "hc3_chinese (subsets)",
    "meddialog_cn": "meddialog_cn (processed)",
}
SOURCES = """
    huatuo_encyclopedia huatuo_knowledge_graph cmexam cmexam_explanation medqa_textbooks cpubmed_kg xywy_kg health39_kg
    chinese_medical_dialogue meddialog_cn instruct_chat school_math alpaca_gpt4_zh belle_train_1m belle_train_2m
    belle_train_3_5m belle_multiturn_chat hc3_chinese safety_prompts zhongjing_rlhf medicalgpt_reward
""".split()


def count(source: Source, folder: Path, files: list[str] | None = None) -> Count:
    """Rows read, rows kept, records, rows lost by reason."""
    files = files or source.reader.find(folder)
    assert files, f"{source.name} finds nothing in {folder}"
    assert source.reader.faults(folder, files) == []
    lost: Counter[str] = Counter()
    read = kept = records = 0
    for row in source.reader.read(folder, files):
        read += row.rows
        if isinstance(row, BadRow):
            lost[row.reason] += row.rows
            continue
        try:
            source.parse(row)
        except Skip as skip:
            lost[skip.reason] += row.rows
        else:
            kept, records = kept + row.rows, records + 1
    return read, kept, records, dict(lost)


def truth() -> dict[str, Any]:
    return json.loads((upstream() / "TRUTH.json").read_text(encoding="utf-8"))


@pytest.mark.upstream
@pytest.mark.parametrize("name", SOURCES)
def test_the_real_files_give_the_counted_truth(name: str) -> None:
    source = load(name)
    wanted = truth()["totals"][SPECIAL.get(name, name)]
    read, kept, records, lost = count(source, source.place(upstream()))
    assert (read, kept, lost) == (wanted["read"], wanted.get("kept", wanted.get("kept_triples")), wanted["rejected"])
    assert records == wanted.get("records", wanted.get("entities", kept))


# the folder of a layout, its source, and of the truth: rows, kept, rejected
LAYOUTS = """
    alpaca_gpt4_zh/zh_suffix_lines belle_multiturn_chat/json_lines belle_train_1m/generated_input_target
    belle_train_2m/json_array belle_train_2m/json_lines belle_train_3_5m/json_lines cmd/conversations_human_gpt
    cmd/conversations_input_output cmd/conversations_zh_roles cmd/messages huatuo_encyclopedia/paraphrases
    instruct_chat/json_lines safety_prompts/flat_lines safety_prompts/nested xywy_kg/ndjson
    chinese_medical_dialogue/six_departments
""".split()


@pytest.mark.upstream
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_made_layout_gives_the_counted_truth(layout: str) -> None:
    name = layout.split("/")[0]
    folder = upstream() / "_made" / f"{layout}.layout_sample"
    source = load(name)
    facts = truth()["files"][f"_made/{name}"]
    facts = [facts[f"_made/{layout}.layout_sample/{file}"] for file in source.reader.find(folder)]
    rejected = sum((Counter(fact["rejected"]) for fact in facts), Counter())
    read, kept, _, lost = count(source, folder)
    assert read == sum(fact["rows"] for fact in facts)
    assert (kept, lost) == (sum(fact["kept"] for fact in facts), dict(rejected))


@pytest.mark.upstream
@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ("cmd/history", (41, 41, 41, {})),
        ("cmd/prefixed_strings", (51, 51, 51, {})),
        ("cpubmed_kg/v1_1", (3051, 3035, 200, {"wrong_columns": 16})),
        ("cpubmed_kg/v2_0_five_columns", (400, 400, 23, {})),
        ("cpubmed_kg/json_triples", (200, 200, 11, {})),
        ("cpubmed_kg/api_dump", (200, 200, 11, {})),
        ("hc3_chinese/all_plus_subsets", (180, 166, 166, {"empty_answer": 14})),
        ("meddialog_cn/raw_years", (172, 141, 141, {"no_reply": 11, "no_dialogue": 20})),
        ("medqa_textbooks/all_books", (792, 792, 67, {})),
        ("zhongjing_rlhf/output_list", (298, 287, 287, {"single_response": 4, "equal_pair": 7})),
    ],
)
def test_layouts_whose_truth_has_a_shape_of_its_own(layout: str, expected: Count) -> None:
    folder = upstream() / "_made" / f"{layout}.layout_sample"
    assert count(load(layout.split("/")[0]), folder) == expected


@pytest.mark.upstream
@pytest.mark.parametrize(
    ("name", "folder", "files", "expected"),
    [
        ("cmexam", "cmexam", ["variants/hf_fzkuji/valid.json"], (537, 537, 537, {})),
        ("cmexam", "cmexam", ["variants/literal_newline/val.csv"], (300, 300, 300, {})),
        ("cmexam", "cmexam", ["variants/xlsx/val.xlsx"], (300, 300, 300, {})),
        ("cmexam_explanation", "cmexam", ["variants/xlsx/val.xlsx"], (300, 245, 245, {"no_explanation": 55})),
        ("cmexam_explanation", "cmexam", ["variants/hf_fzkuji/valid.json"], (537, 467, 467, {"no_explanation": 70})),
        ("meddialog_cn", "meddialog_cn/variants", ["turn_id_dialogue.json"], (518, 518, 518, {})),
        ("hc3_chinese", "hc3_chinese", ["variants/baike.cut_mid_record.jsonl"], (21, 20, 20, {"bad_json": 1})),
        ("hc3_chinese", "hc3_chinese", ["all.jsonl"], (643, 643, 643, {})),
        ("instruct_chat", "instruct_chat/variants/alpaca_shape", None, (10, 10, 10, {})),
        ("school_math", "school_math/variants/conversations", None, (2, 2, 2, {})),
        ("school_math", "school_math/variants/readme_row", None, (1, 1, 1, {})),
        ("medicalgpt_reward", "medicalgpt_reward/variants/2024-03_question_response", None, (214, 214, 214, {})),
        ("medicalgpt_reward", "medicalgpt_reward/variants/2026-04a_chosen_rejected", None, (247, 247, 247, {})),
        ("medicalgpt_reward", "medicalgpt_reward/variants/2026-04b_conversations", None, (247, 247, 247, {})),
        ("zhongjing_rlhf", "zhongjing_rlhf/variants/label_tool", ["output_result.tsv"], (2, 2, 2, {})),
        ("chimed_release", "chimed_release", None, (140, 140, 140, {})),
    ],
)
def test_variant_layouts(name: str, folder: str, files: list[str] | None, expected: Count) -> None:
    assert count(load(name), upstream() / folder, files) == expected


@pytest.mark.upstream
def test_raw_year_files_follow_the_reference_rule_and_never_glue_two_numbers() -> None:
    source = load("meddialog_cn")
    folder = upstream() / "meddialog_cn"
    files = ["raw/COVID-Dialogue-Dataset-Chinese.txt", "raw/qa_zh_1.txt"]
    assert source.reader.otherwise.find(folder) == files  # type: ignore[attr-defined]
    read, kept, _, lost = count(source, folder, files)
    assert (read, kept, lost) == (671, 593, {"no_reply": 37, "no_dialogue": 41})
    messages = 0
    for row in source.reader.read(folder, files):
        try:
            messages += len(source.parse(row).messages)  # type: ignore[arg-type, attr-defined]
        except Skip:
            continue
    assert messages == 4844


@pytest.mark.upstream
def test_replies_without_ranks_are_refused_in_words() -> None:
    folder = upstream() / "zhongjing_rlhf/variants/label_tool"
    (fault,) = load("zhongjing_rlhf").reader.faults(folder, ["input_file.json"])
    assert "without ranks" in fault


@pytest.mark.upstream
@pytest.mark.parametrize("name", SOURCES)
def test_raw_gives_the_upstream_bytes_of_every_kind_of_row(name: str) -> None:
    source = load(name)
    folder = source.place(upstream())
    rows = [row for _, row in zip(range(40), source.reader.read(folder, source.reader.find(folder)), strict=False)]
    for row in rows[::13]:
        raw = source.reader.raw(folder, row.file, row.position)
        whole = (folder / row.file).read_bytes()
        assert all(part.strip() in whole for part in raw.split(b"\n")), (row.file, row.position)
        assert raw.strip()
