"""Exports: the same rows and turns in every trainer's layout, nothing dropped, nothing else written."""

import json
from pathlib import Path
from typing import Any

import datasets
import pytest
from releases import make_release, some_row

from chimed.errors import DataError, UsageError
from chimed.export import dataset_info, export
from chimed.release import Release

SYSTEM = {"role": "system", "content": "你是医生。"}


def rows(release: Release, part: str = "train") -> list[dict[str, Any]]:
    return [row for batch in release.batches(part) for row in batch.to_pylist()]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def dpo(tmp_path: Path) -> Release:
    """Pairs with one question, with a history, and with a system text."""
    made = [some_row("dpo", "zhongjing_rlhf", n) for n in range(6)]
    made[5]["prompt"] = [SYSTEM, *made[5]["prompt"]]
    return make_release(tmp_path / "release", "dpo", rows=made, validation=1)


@pytest.fixture
def sft(tmp_path: Path) -> Release:
    made = [some_row("sft", "school_math", n) for n in range(6)]
    made[2]["messages"] = [SYSTEM, *made[2]["messages"]]
    return make_release(tmp_path / "release", "sft", rows=made)


def test_pairs_for_llama_factory(dpo: Release, tmp_path: Path) -> None:
    export(dpo, "llamafactory", tmp_path / "out")
    info = json.loads((tmp_path / "out/dataset_info.json").read_text(encoding="utf-8"))
    assert info["chimed_dpo"]["ranking"] is True and info["chimed_dpo"]["columns"]["chosen"] == "chosen"
    for part, name in (("train", "chimed_dpo"), ("validation", "chimed_dpo_validation")):
        folder = tmp_path / "out" / info[name]["file_name"]
        loaded = datasets.Dataset.from_parquet(
            [str(p) for p in sorted(folder.iterdir())], cache_dir=str(tmp_path / "c")
        )
        assert loaded.features["history"] == datasets.List(datasets.List(datasets.Value("string")))
        for row, one in zip(rows(dpo, part), loaded, strict=True):
            said = [SYSTEM] * bool(one["system"]) and [{"role": "system", "content": one["system"]}]
            for ask, reply in one["history"]:
                said += [{"role": "user", "content": ask}, {"role": "assistant", "content": reply}]
            assert [*said, {"role": "user", "content": one["instruction"]}] == row["prompt"] and one["input"] == ""
            assert (one["chosen"], one["rejected"]) == (row["chosen"][0]["content"], row["rejected"][0]["content"])


def test_pairs_for_swift(dpo: Release, tmp_path: Path) -> None:
    export(dpo, "swift", tmp_path / "out")
    for row, one in zip(rows(dpo), lines(tmp_path / "out/train.jsonl"), strict=True):
        assert one["messages"] == row["prompt"] + row["chosen"]
        assert one["rejected_response"] == row["rejected"][0]["content"] and "prompt" not in one


def test_pairs_for_the_authors_scripts(dpo: Release, tmp_path: Path) -> None:
    export(dpo, "qilin", tmp_path / "out")
    for row, one in zip(rows(dpo), lines(tmp_path / "out/dpo.json"), strict=True):
        places = [one["question"].index(message["content"]) for message in row["prompt"]]
        assert places == sorted(places) and set(one) == {"question", "response_chosen", "response_rejected"}
    assert lines(tmp_path / "out/dpo_validation.json")[0]["question"].startswith("你是医生。\n")


def test_conversations_for_the_authors_scripts(sft: Release, tmp_path: Path) -> None:
    export(sft, "qilin", tmp_path / "out")
    for row, one in zip(rows(sft), lines(tmp_path / "out/sft.jsonl"), strict=True):
        turns = one["conversations"]
        assert [turn["from"] for turn in turns] == ["input", "output"] * (len(turns) // 2)
        assert "\n".join(t["value"] for t in turns) == "\n".join(m["content"] for m in row["messages"])


def test_texts_for_the_authors_scripts_are_one_line_each(tmp_path: Path) -> None:
    release = make_release(tmp_path / "release", "cpt")
    export(release, "qilin", tmp_path / "out")
    written = (tmp_path / "out/cpt.txt").read_text(encoding="utf-8").splitlines()
    assert written == [row["text"].replace("\n", " ") for row in rows(release)]


@pytest.mark.parametrize("split", ["cpt", "sft", "dpo"])
def test_json_lines_are_the_rows(tmp_path: Path, split: str) -> None:
    release = make_release(tmp_path / "release", split, validation=2)
    files = export(release, "jsonl", tmp_path / "out")
    assert [path.name for path in files] == ["train.jsonl", "validation.jsonl"]
    assert lines(files[0]) == rows(release) and lines(files[1]) == rows(release, "validation")


@pytest.mark.parametrize("split", ["cpt", "sft"])
@pytest.mark.parametrize("target", ["llamafactory", "swift"])
def test_plain_rows_keep_their_text(tmp_path: Path, split: str, target: str) -> None:
    release = make_release(tmp_path / "release", split)
    files = export(release, target, tmp_path / "out")
    expected = [row["text"] if split == "cpt" else row["messages"] for row in rows(release)]
    if target == "swift":
        found = [row["messages"] for row in lines(files[0])]
        expected = [[{"role": "assistant", "content": text}] for text in expected] if split == "cpt" else expected
    else:
        shards = [str(path) for path in files if path.suffix == ".parquet"]
        column = "text" if split == "cpt" else "messages"
        found = datasets.Dataset.from_parquet(shards, cache_dir=str(tmp_path / "c"))[column][:]
    assert found == expected


def test_exports_do_not_overwrite(sft: Release, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("x", encoding="utf-8")
    with pytest.raises(DataError, match="empty folder"):
        export(sft, "jsonl", tmp_path / "out")
    with pytest.raises(UsageError, match="llamafactory, swift, qilin, jsonl"):
        export(sft, "alpaca", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_hub_description_names_the_config() -> None:
    assert dataset_info("dpo", repo_id="org/ChiMed-DPO")["chimed_dpo"]["subset"] == "llamafactory"
    assert dataset_info("sft", repo_id="org/ChiMed-SFT")["chimed_sft"]["tags"]["user_tag"] == "user"


def test_a_folder_on_disk_is_described_as_it_lies_there() -> None:
    """A release has no folder `chimed_sft`; what `export` writes has one."""
    assert dataset_info("sft")["chimed_sft"]["script_url"] == "."
    assert "file_name" not in dataset_info("sft")["chimed_sft"]
