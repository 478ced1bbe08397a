"""How far reading has come is told in bytes, inside one large file too."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pyarrow as pa
import pytest

from chimed import staging
from chimed.build.reading import NOTE, bytes_read, watched
from chimed.build.stage import stage_source
from chimed.source import load


def test_what_was_read_is_noted_inside_one_large_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chimed.readers.files.BLOCK", 1000)
    monkeypatch.setattr("chimed.build.reading.EVERY", 0.0)
    monkeypatch.setattr("chimed.staging.PART_ROWS", 10)
    size, noted = 0, []
    write_part = staging.write_part

    def look(path: Path, table: pa.RecordBatch) -> None:
        noted.append(bytes_read(tmp_path / "out", size))
        write_part(path, table)

    monkeypatch.setattr("chimed.staging.write_part", look)
    lines = [json.dumps({"instruction": "问" * 20, "input": "", "output": "答" * 20}) for _ in range(100)]
    size = len("\n".join(lines)) + 1
    file = tmp_path / "train_2M_CN.json"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    stage_source(load("belle_train_2m"), "sft", tmp_path, [file.name], tmp_path / "out", None)
    assert noted == sorted(noted) and len(set(noted)) > 5, "it grows while the file is read"
    assert all(abs(read / size - part / 10) < 0.1 for part, read in enumerate(noted, 1)), "by as much as was read"
    assert bytes_read(tmp_path / "out", size) == size
    assert bytes_read(tmp_path / "absent", size) == 0


def test_reading_is_reported_while_it_goes_on(tmp_path: Path) -> None:
    (tmp_path / NOTE).write_text("30", encoding="utf-8")
    seen: list[tuple[int, int, str]] = []
    with watched({tmp_path: 40, tmp_path / "later": 60}, "sft: read", lambda *told: seen.append(told)):
        until = time.monotonic() + 10
        while not seen and time.monotonic() < until:
            time.sleep(0.05)
    assert seen[0] == (30, 100, "sft: read")
