"""What a build will need is told before it runs, near enough to the truth, without reading a row or writing a byte."""

import json
import random
from dataclasses import replace
from pathlib import Path

from test_build import order

from chimed import recipe
from chimed.build import build
from chimed.build.plan import plan


def questions(root: Path, count: int) -> Path:
    """Rows of the size that BELLE's have: about 960 bytes."""
    draw = random.Random(7)
    words = [f"{a}{b}" for a in "头胸腹腰背手足眼耳" for b in "痛胀麻痒酸肿热冷"]
    file = root / "belle_train_2m/train_2M_CN.json"
    file.parent.mkdir(parents=True)
    with open(file, "w", encoding="utf-8") as out:
        for number in range(count):
            ask, reply = "，".join(draw.choices(words, k=20)), "，".join(draw.choices(words, k=80))
            row = {"instruction": f"第{number}问：{ask}？", "input": "", "output": f"{reply}。"}
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
    return root


def test_what_is_written_is_what_was_planned(tmp_path: Path) -> None:
    asked = order(questions(tmp_path / "up", 3000), tmp_path / "out", "sft")
    planned = plan(asked)[0]
    assert not (tmp_path / "out").exists()
    (release,), _ = build(asked)
    written = sum(path.stat().st_size for path in release.path.rglob("*") if path.is_file())
    assert release.manifest.rows == 3000
    assert written / 2 < planned["about_written_bytes"] < 2 * written
    assert planned["about_disk_bytes"] > planned["about_written_bytes"] + planned["read_bytes"]


def test_more_rows_and_more_workers_need_more(tmp_path: Path) -> None:
    small = order(questions(tmp_path / "a", 20), tmp_path / "out", "sft")
    large = order(questions(tmp_path / "b", 2000), tmp_path / "out", "sft")
    needs = [plan(one)[0] for one in (small, large, replace(large, workers=4))]
    assert needs[0]["about_disk_bytes"] < needs[1]["about_disk_bytes"] == needs[2]["about_disk_bytes"]
    assert needs[0]["about_memory_bytes"] < needs[1]["about_memory_bytes"] < needs[2]["about_memory_bytes"]


def test_a_source_of_ones_own_is_counted_too(tmp_path: Path) -> None:
    """It stands in no table of the paper: its rows are taken to be of usual size."""
    (tmp_path / "up/faq").mkdir(parents=True)
    (tmp_path / "up/faq/a.jsonl").write_text('{"q": "发热怎么办？", "a": "多饮水。"}\n' * 5000, encoding="utf-8")
    (tmp_path / "recipe.toml").write_text(
        '[[source]]\nname = "faq"\nfiles = ["faq/*.jsonl"]\nformat = "jsonl"\nkind = "question"\nlicense = "MIT"\n'
        'redistributable = "no"\ndomain = "medical"\nsplits = ["sft"]\ncolumns = {question = "q", answer = "a"}\n',
        encoding="utf-8",
    )
    asked = replace(order(tmp_path / "up", tmp_path / "out", "sft"), recipe=recipe.load(tmp_path / "recipe.toml"))
    entry = plan(asked)[0]
    assert [one["source"] for one in entry["sources"]] == ["faq"]
    assert entry["about_written_bytes"] > 0.4 * entry["read_bytes"] > 0
