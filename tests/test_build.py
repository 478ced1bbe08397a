"""A build keeps or loses every row with a reason, gives the same bytes however it runs, and goes on after a stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from chimed import packaged, recipe
from chimed.build import Order, build
from chimed.cli import app
from chimed.errors import ConflictError, DataError, UsageError
from chimed.look import look
from chimed.parquet import sha256_of
from chimed.records import SPLITS, Split
from chimed.release import Release
from chimed.statistics import stats
from chimed.trace import trace
from chimed.validation import validate

ROWS = [
    {"instruction": "题目：小明有3个苹果，又买了5个，一共有几个？", "input": "", "output": "\n3 + 5 = 8，一共有8个苹果。"},
    {"instruction": "布洛芬缓释胶囊成人一次吃多少？请说明间隔的时间。", "input": "", "output": "成人一次0.3g，早晚各一次，间隔12小时。"},
    {"instruction": "布洛芬缓释胶囊成人一次吃多少？请说明间隔的时间。", "input": "", "output": "成人一次0.6g，早晚各一次，间隔12小时。"},
    {"instruction": "题目：一本书120页，每天读15页，几天读完？", "input": "", "output": "120 ÷ 15 = 8，需要8天读完。"},
    {"instruction": "题目：一本书120页，每天读15页，几天读完？", "input": "", "output": "120 ÷ 15 = 8，需要8天读完。"},
    {"instruction": "没有回答", "input": "", "output": " "},
    {"instruction": "我叫王建国，电话是13912345678，请问挂什么科？", "input": "", "output": "建议先挂普通内科，再由医生判断。"},
]  # fmt: skip


def upstream(folder: Path) -> Path:
    """Two small sources: school_math with one broken line, and preference rows."""
    maths = folder / "school_math" / "school_math_0.25M.json"
    maths.parent.mkdir(parents=True)
    lines = [json.dumps(row, ensure_ascii=False) for row in ROWS]
    maths.write_text("\n".join([*lines[:2], '{"instruction": "断', *lines[2:]]) + "\n", encoding="utf-8")
    pairs = folder / "medicalgpt_reward" / "reward" / "train.json"
    pairs.parent.mkdir(parents=True)
    row = {
        "question": "感冒了怎么办？",
        "response_chosen": "多休息，多饮水，发热时就医。",
        "response_rejected": "不用管。",
    }
    pairs.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    return folder


def order(root: Path, out: Path, *splits: Split, **more: Any) -> Order:
    words = recipe.with_options(recipe.load(), validation=0.0)
    return replace(Order(splits=splits or ("sft",), root=root, out=out, recipe=words, workers=1), **more)


def built(root: Path, out: Path, *splits: Split, **more: Any) -> Release:
    return build(order(root, out, *splits, **more))[0][0]


def sums(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): sha256_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "local.json"
    }


def texts(release: Release) -> list[str]:
    return [row["messages"][-1]["content"] for batch in release.batches() for row in batch.to_pylist()]


def test_every_row_is_kept_or_lost_with_a_reason(tmp_path: Path) -> None:
    release = built(upstream(tmp_path / "up"), tmp_path / "out")
    entry = release.manifest.sources[0]
    assert (entry.read, entry.kept) == (8, 5)
    assert entry.lost == {"bad_json": 1, "empty_answer": 1, "exact_duplicate": 1}
    assert validate(release) == []


def test_a_dose_makes_the_difference_and_comes_out_as_it_went_in(tmp_path: Path) -> None:
    found = texts(built(upstream(tmp_path / "up"), tmp_path / "out"))
    assert "成人一次0.3g，早晚各一次，间隔12小时。" in found
    assert "成人一次0.6g，早晚各一次，间隔12小时。" in found


def test_identifiers_are_masked_and_counted(tmp_path: Path) -> None:
    release = built(upstream(tmp_path / "up"), tmp_path / "out")
    everything = json.dumps([row for batch in release.batches() for row in batch.to_pylist()], ensure_ascii=False)
    assert "13912345678" not in everything
    assert "王建国" not in everything
    assert release.manifest.sources[0].steps["mask"]


def test_a_duplicate_names_its_twin_and_can_be_traced(tmp_path: Path) -> None:
    root = upstream(tmp_path / "up")
    release = built(root, tmp_path / "out")
    lost = {row["reason"]: row for row in look(release, lost=True, count=99)}
    twin = lost["exact_duplicate"]["twin"]
    assert look(release, twin)[0]["messages"][0]["content"].startswith("题目：一本书120页")
    found = trace(release, lost["exact_duplicate"]["id"])
    assert found["origin"] == {"file": "school_math_0.25M.json", "position": 6}
    assert json.loads(found["raw"]) == ROWS[4]
    assert "断" in trace(release, lost["bad_json"]["id"])["raw"]


def test_every_published_id_leads_back_to_its_row(tmp_path: Path) -> None:
    release = built(upstream(tmp_path / "up"), tmp_path / "out")
    for batch in release.batches(columns=["id"]):
        for row in batch.to_pylist():
            assert json.loads(trace(release, row["id"])["raw"]) in ROWS


def test_the_same_bytes_twice_and_with_any_number_of_workers(tmp_path: Path) -> None:
    root = upstream(tmp_path / "up")
    for name, workers in (("one", 1), ("again", 1), ("two", 2)):
        build(order(root, tmp_path / name, "sft", "dpo", workers=workers))
    assert sums(tmp_path / "one") == sums(tmp_path / "again") == sums(tmp_path / "two")
    assert "ChiMed-DPO/manifest.json" in sums(tmp_path / "one")


def test_a_killed_build_goes_on_and_gives_the_same_bytes(tmp_path: Path) -> None:
    root = upstream(tmp_path / "up")
    build(order(root, tmp_path / "whole", "sft", "dpo"))
    command = [sys.executable, "-c", "from chimed.cli import main; main()", "build", "--split", "all", "--from", str(root),
               "--out", str(tmp_path / "killed"), "--workers", "1"]  # fmt: skip
    for pause in (1.0, 1.6, 2.2):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(pause)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    build(order(root, tmp_path / "killed", "sft", "dpo"))
    assert sums(tmp_path / "killed") == sums(tmp_path / "whole")


def test_two_builds_at_once_in_one_folder_are_refused(tmp_path: Path) -> None:
    from chimed.build.work import alone_in

    root = upstream(tmp_path / "up")
    with alone_in(tmp_path / "out"), pytest.raises(ConflictError, match="another build"):
        built(root, tmp_path / "out")


def test_limit_reads_at_most_so_many_rows_and_loses_none_for_it(tmp_path: Path) -> None:
    entry = built(upstream(tmp_path / "up"), tmp_path / "out", limit=2).manifest.sources[0]
    assert (entry.read, entry.kept, entry.lost) == (2, 2, {})


def test_limit_counts_the_lines_of_a_book(tmp_path: Path) -> None:
    names = ("medqa_textbooks", "cpubmed_kg")
    release = built(packaged.folder("sample"), tmp_path, "cpt", only=names, limit=3)
    assert {e.source: e.read for e in release.manifest.sources} == dict.fromkeys(names, 3)
    assert release.manifest.sources[0].kept == 3


def test_a_takedown_is_carried_into_later_builds(tmp_path: Path) -> None:
    root = upstream(tmp_path / "up")
    gone = look(built(root, tmp_path / "out"), count=1)[0]["id"]
    first = built(root, tmp_path / "out", exclude=(gone,))
    again = built(root, tmp_path / "out")
    for release in (first, again):
        assert release.manifest.excluded == [gone]
        assert release.manifest.sources[0].lost["excluded"] == 1
        assert gone not in [row["id"] for row in look(release, count=99)]


def test_ids_do_not_depend_on_what_else_is_in_the_file(tmp_path: Path) -> None:
    root = upstream(tmp_path / "up")
    before = {row["id"] for row in look(built(root, tmp_path / "a"), count=99)}
    file = root / "school_math" / "school_math_0.25M.json"
    row = {"instruction": "新的一行在最前面，问什么呢？", "input": "", "output": "回答在这里。"}
    file.write_text(json.dumps(row, ensure_ascii=False) + "\n" + file.read_text(encoding="utf-8"), encoding="utf-8")
    after = {row["id"] for row in look(built(root, tmp_path / "b"), count=99)}
    assert before < after


def test_absent_and_named_sources(tmp_path: Path) -> None:
    root = upstream(tmp_path / "up")
    _, absent = build(order(root, tmp_path / "out", "sft"))
    assert "belle_train_1m" in absent
    assert "chimed_release" not in absent
    with pytest.raises(DataError, match="belle_train_1m"):
        built(root, tmp_path / "other", only=("belle_train_1m",))
    with pytest.raises(DataError, match="none of the sources"):
        built(tmp_path, tmp_path / "third")
    with pytest.raises(UsageError, match="cmexam serves cpt, not sft. From the same files cmexam_explanation does"):
        built(root, tmp_path / "fourth", only=("cmexam",))


@pytest.mark.parametrize("bad", [b"PK\x03\x04zipzip", "排版".encode("utf-16")])
def test_a_file_of_another_kind_stops_the_build_before_it_writes(tmp_path: Path, bad: bytes) -> None:
    root = upstream(tmp_path / "up")
    (root / "school_math" / "school_math_0.25M.json").write_bytes(bad)
    with pytest.raises(DataError, match=r"school_math_0\.25M\.json"):
        build(order(root, tmp_path / "out", "sft", "dpo"))
    assert not list((tmp_path / "out").glob("ChiMed-*"))


def test_a_changed_shard_is_found(tmp_path: Path) -> None:
    release = built(upstream(tmp_path / "up"), tmp_path / "out")
    shard = release.shards()[0]
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    assert any("bytes differ" in problem for problem in validate(release))


def test_a_recipe_can_add_a_data_set_without_code(tmp_path: Path) -> None:
    root = upstream(tmp_path / "up")
    (root / "clinic").mkdir()
    (root / "clinic" / "notes.csv").write_text("q,a\n头痛怎么办？,先量血压，再就诊。\n", encoding="utf-8")
    table = {
        "name": "clinic", "files": ["clinic/*.csv"], "format": "csv", "kind": "question", "license": "internal",
        "columns": {"question": "q", "answer": "a"}, "redistributable": "no", "splits": ["sft"], "domain": "medical",
    }  # fmt: skip
    words = recipe.with_options(recipe.load(), source=(table,), validation=0.0)
    release = build(order(root, tmp_path / "out", recipe=words, only=("clinic",)))[0][0]
    assert [row["messages"][0]["content"] for row in look(release)] == ["头痛怎么办？"]


def test_statistics_stand_beside_the_papers(tmp_path: Path) -> None:
    result = stats(built(upstream(tmp_path / "up"), tmp_path / "out"))
    row = next(row for row in result["sources"] if row["source"] == "school_math")
    assert (row["samples"], row["paper_samples"], row["upstream_rows"]) == (5, "248K", 248_481)
    assert row["note"]


def test_all_splits_have_names(tmp_path: Path) -> None:
    releases, _ = build(order(upstream(tmp_path / "up"), tmp_path / "out", *SPLITS))
    assert [release.manifest.name for release in releases] == ["ChiMed-SFT", "ChiMed-DPO"]


def test_repeated_passages_are_flagged_and_cut_from_running_text_alone(tmp_path: Path) -> None:
    passage = "".join(f"高血压患者应当每天在固定的时间测量血压并且记录下来，第{i}项。" for i in range(6))
    books = tmp_path / "up" / "medqa_textbooks" / "data_clean" / "textbooks" / "zh_paragraph"
    books.mkdir(parents=True)
    own = "".join(f"这是另一本书自己的段落，编号{i}，讲的是别的内容与别的病。" for i in range(40))
    (books / "1.txt").write_text(passage + "\n", encoding="utf-8")
    (books / "2.txt").write_text(own + "\n" + passage + "\n", encoding="utf-8")
    found = {}
    for word in ("off", "flag", "cut"):
        words = recipe.with_options(recipe.load(), dedup__substring=word, validation=0.0)
        release = build(order(tmp_path / "up", tmp_path / word, "cpt", recipe=words))[0][0]
        assert validate(release) == []
        found[word] = {row["id"]: row["text"] for row in look(release, count=9)}
    assert found["off"] == found["flag"]
    assert release.manifest.steps["passages"]["rows"] == 1
    changed = [name for name in found["off"] if found["off"][name] != found["cut"][name]]
    assert len(changed) == 1
    assert own in found["cut"][changed[0]]
    assert found["cut"][changed[0]].count("测量血压") < found["off"][changed[0]].count("测量血压")


def test_a_recipe_sets_the_options_of_a_source(tmp_path: Path) -> None:
    replies = {}
    for side in ("chatgpt", "human"):
        words = recipe.with_options(recipe.load(), options={"hc3_chinese": {"answers": side}}, validation=0.0)
        release = built(packaged.folder("sample"), tmp_path / side, recipe=words, only=("hc3_chinese",))
        replies[side] = set(texts(release))
        some = look(release, count=1)[0]["id"]
        assert trace(release, some, packaged.folder("sample"))["raw"]
    assert replies["chatgpt"].isdisjoint(replies["human"])
    wrong = recipe.with_options(recipe.load(), options={"hc3_chinese": {"answer": "human"}})
    with pytest.raises(UsageError, match="answers"):
        built(packaged.folder("sample"), tmp_path / "wrong", recipe=wrong)


def test_a_stopped_build_is_not_continued_under_another_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Staged rows and half-written shards of one recipe must never reach a release of another."""
    root = packaged.folder("sample")
    human = recipe.with_options(recipe.load(), options={"hc3_chinese": {"answers": "human"}}, validation=0.3)
    whole = built(root, tmp_path / "whole", recipe=recipe.load(), only=("hc3_chinese",))
    with monkeypatch.context() as patch:
        patch.setattr("chimed.build.complete", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            built(root, tmp_path / "out", recipe=human, only=("hc3_chinese",))
    assert list((tmp_path / "out" / ".work").rglob("*.parquet"))
    again = built(root, tmp_path / "out", recipe=recipe.load(), only=("hc3_chinese",))
    assert sums(again.path) == sums(whole.path)
    assert validate(again) == []


def test_a_takedown_of_the_earlier_release_holds_in_what_is_built_against_it(tmp_path: Path) -> None:
    """What the earlier release lacks because it was taken down is not new."""
    root = upstream(tmp_path / "up")
    gone = look(built(root, tmp_path / "a"), count=1)[0]["id"]
    earlier = built(root, tmp_path / "b", exclude=(gone,))
    later = built(root, tmp_path / "c", against=earlier.path)
    assert later.manifest.excluded == [gone] and later.manifest.rows == 0


def test_a_source_of_ones_own_without_files_is_told_where_they_were_looked_for(tmp_path: Path) -> None:
    (tmp_path / "up").mkdir()
    table = {"name": "pairs", "files": ["mine/*.json"], "format": "json", "kind": "preference", "license": "mine",
             "columns": {"question": "q", "chosen": "a", "rejected": "b"}, "redistributable": "no", "splits": ["dpo"],
             "domain": "medical"}  # fmt: skip
    asked = order(tmp_path / "up", tmp_path / "out", "dpo")
    with pytest.raises(DataError, match=r"none of the sources of dpo is here; pairs looks for .*mine/\*\.json"):
        build(replace(asked, recipe=asked.recipe.model_copy(update={"source": [table]})))


def test_a_takedown_that_names_no_row_is_said(tmp_path: Path) -> None:
    root = upstream(tmp_path / "up")
    gone = look(built(root, tmp_path / "a"), count=1)[0]["id"]
    words = ["build", "--split", "sft", "--from", str(root), "--out", str(tmp_path / "b"), "--exclude"]
    ran = CliRunner().invoke(app, [*words, f"{gone},school_math:0123"])
    assert ran.exit_code == 0
    assert "school_math:0123: no row here has this id" in ran.stderr and gone not in ran.stderr


def test_a_takedown_survives_a_stop_while_the_release_is_exchanged(tmp_path: Path) -> None:
    root = upstream(tmp_path / "up")
    gone = look(built(root, tmp_path / "out"), count=1)[0]["id"]
    release = built(root, tmp_path / "out", exclude=(gone,))
    aside = tmp_path / "out" / ".work" / "sft" / "ChiMed-SFT.old"
    aside.parent.mkdir(parents=True)
    release.path.replace(aside)
    built(root, tmp_path / "out", "dpo")
    assert built(root, tmp_path / "out").manifest.excluded == [gone]
