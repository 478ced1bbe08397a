"""Small releases on disk, made from a handful of rows: what tests of publishing, cards, reports and stages open."""

import hashlib
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa

from chimed import parquet
from chimed.build.rows import LOSSES, ORIGIN
from chimed.records import RELEASE_NAMES, Split
from chimed.release import Manifest, Release, open_release

Row = dict[str, Any]
LOST_TEXT = "这一句只在丢弃的行里出现。"

# name -> (domain, kind, license, redistributable)
SOURCES: dict[str, tuple[str, str, str, str]] = {
    "huatuo_encyclopedia": ("medical", "question", "Apache-2.0", "yes"),
    "cmexam": ("medical", "choice", "Apache-2.0, research only", "notice"),
    "cpubmed_kg": ("medical", "entity", "CC-BY-ND-4.0", "no"),
    "chinese_medical_dialogue": ("medical", "dialogue", "MIT", "yes"),
    "school_math": ("general", "instruction", "GPL-3.0", "GPL"),
    "meddialog_cn": ("medical", "dialogue", "none", "no"),
    "zhongjing_rlhf": ("medical", "preference", "Apache-2.0, research only", "notice"),
    "medicalgpt_reward": ("medical", "preference", "Apache-2.0, research only", "notice"),
}
SPLIT_SOURCES: dict[Split, tuple[str, ...]] = {
    "cpt": ("huatuo_encyclopedia", "cmexam", "cpubmed_kg"),
    "sft": ("chinese_medical_dialogue", "school_math", "meddialog_cn"),
    "dpo": ("zhongjing_rlhf", "medicalgpt_reward"),
}


def _say(role: str, content: str) -> Row:
    return {"role": role, "content": content}


def some_row(split: Split, source: str, number: int) -> Row:
    """A published row; equal numbers give equal rows, different numbers different texts and doses."""
    domain, kind, license, _ = SOURCES[source]
    ask = f"患者体重 {40 + number} kg，布洛芬每次该服多少毫克？"
    reply = f"按 10 mg/kg 计算，每次约 {10 * (40 + number)} mg，间隔 6 小时以上，请遵医嘱。"
    row: Row = {"id": f"{source}:{number:016x}"}
    if split == "cpt":
        row["text"] = f"{ask}\n{reply}"
    elif split == "sft":
        row["messages"] = [_say("user", ask), _say("assistant", reply)]
        if number % 3 == 2:
            row["messages"] += [_say("user", "饭前还是饭后？"), _say("assistant", f"饭后服，第 {number} 例同此。")]
    else:
        history = [_say("user", "我想咨询用药。"), _say("assistant", "请讲。")] if number % 3 == 2 else []
        row["prompt"] = [*history, _say("user", ask)]
        row["chosen"], row["rejected"] = [_say("assistant", reply)], [_say("assistant", "随便吃。")]
    row |= {"source": source, "domain": domain}
    if split == "cpt":
        row["kind"] = kind
    elif split == "sft":
        row["rounds"] = "multi" if number % 3 == 2 else "single"
    return row | {"license": license}


def some_rows(split: Split, count: int = 6) -> list[Row]:
    """`count` rows of each of the split's usual sources."""
    return [some_row(split, source, n) for source in SPLIT_SOURCES[split] for n in range(count)]


def _text(row: Row) -> str:
    messages = row.get("messages") or [*row.get("prompt", ()), *row.get("chosen", ()), *row.get("rejected", ())]
    return str(row.get("text") or "".join(m["content"] for m in messages))


def _entry(source: str, rows: list[Row], validation: int, lost: dict[str, int]) -> Row:
    domain, kind, license, redistributable = SOURCES[source]
    texts = [_text(row) for row in rows]
    return {
        "source": source, "home": f"https://example.org/{source}", "license": license, "revision": "v1",
        "redistributable": redistributable, "attribution": f"{source}, its authors", "domain": domain, "kind": kind,
        "notice": "Research only." if redistributable == "notice" else "",
        "licenses": {license: len(rows)}, "files": [{"path": "train.json", "sha256": "0" * 64, "bytes": 1000}],
        "read": len(rows) + sum(lost.values()), "kept": len(rows), "records": len(rows), "lost": lost,
        "train": len(rows) - validation, "validation": validation, "text_chars": sum(map(len, texts)),
        "text_bytes": sum(len(text.encode()) for text in texts),
    }  # fmt: skip


def _data(folder: Path, split: Split, source: str, rows: list[Row], validation: int) -> list[Row]:
    schema, files = parquet.published_schema(split), []
    cut = len(rows) - validation
    for part, chosen in (("train", rows[:cut]), ("validation", rows[cut:])):
        batches = [pa.RecordBatch.from_pylist([row], schema=schema) for row in chosen]
        for shard in parquet.write_shards(folder / "data" / source, part, batches, schema):
            name = shard.path.relative_to(folder).as_posix()
            files.append({"path": name, "sha256": shard.sha256, "bytes": shard.bytes, "rows": shard.rows,
                          "content_sha256": shard.content_sha256})  # fmt: skip
    return files


def _sides(folder: Path, rows: list[Row], lost: dict[str, int]) -> None:
    gone = [
        {"id": f"{rows[0]['source']}:lost{n}", "source": rows[0]["source"], "step": "dedup", "reason": reason,
         "rows": 1, "twin": rows[0]["id"], "similarity": 1.0, "origin": {"file": "train.json", "position": 900 + n},
         "detail": "", "text_sha1": "0" * 40, "steps": "[]", "preview": LOST_TEXT}
        for reason, count in lost.items() for n in range(count)
    ]  # fmt: skip
    came = [
        {"id": row["id"], "source": row["source"], "part": "train", "file": "train.json", "position": n + 1,
         "rows": 1, "text_sha1": hashlib.sha1(_text(row).encode()).hexdigest(), "metadata": "{}", "steps": "[]"}
        for n, row in enumerate(rows)
    ]  # fmt: skip
    for name, schema, values in (("lost", LOSSES, gone), ("origin", ORIGIN, came)):
        batch = pa.RecordBatch.from_pylist(values, schema=schema)
        parquet.write_one(folder / name / "part-00000.parquet", [batch] if values else [], schema)


def _listed(folder: Path, data: list[Row]) -> list[Row]:
    known = {file["path"] for file in data}
    others = sorted(p for p in folder.rglob("*") if p.is_file())
    return data + [
        {"path": name, "sha256": parquet.sha256_of(path), "bytes": path.stat().st_size}
        for path in others
        if (name := path.relative_to(folder).as_posix()) not in known
    ]


def make_release(
    folder: Path,
    split: Split,
    *,
    rows: list[Row] | None = None,
    sources: tuple[str, ...] | None = None,
    validation: int = 0,
    shard_bytes: int | None = None,
    lost: dict[str, int] | None = None,
    files: dict[str, str] | None = None,
    version: str = "1.0.0",
) -> Release:
    """Write `folder/ChiMed-SFT` (or -CPT, -DPO) from published rows and open it.

    `sources` limits the usual rows, `validation` puts the last n rows of each source into that part, `shard_bytes`
    cuts shards after so many bytes of text, `lost` counts rows of the first source by reason, `files` adds text files.
    """
    rows = some_rows(split) if rows is None else rows
    rows = [row for row in rows if sources is None or row["source"] in sources]
    path, reasons = folder / RELEASE_NAMES[split], {"near_duplicate": 2} if lost is None else lost
    path.mkdir(parents=True)
    names, data, entries = list(dict.fromkeys(row["source"] for row in rows)), [], []
    limit = shard_bytes or parquet.GROUP_BYTES
    with patch.object(parquet, "GROUP_BYTES", limit), patch.object(parquet, "SHARD_BYTES", min(limit, 2**27)):
        for name in names:
            mine = [row for row in rows if row["source"] == name]
            data += _data(path, split, name, mine, validation)
            entries.append(_entry(name, mine, validation, reasons if name == names[0] else {}))
    _sides(path, rows, reasons)
    for name, text in (files or {}).items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text, encoding="utf-8")
    listed = _listed(path, data)
    manifest = Manifest.model_validate({
        "name": path.name, "split": split, "version": version, "rows": len(rows), "files": listed,
        "bytes": sum(f["bytes"] for f in listed if f["path"].startswith("data/")), "sources": entries,
        "settings": {"dedup": "near", "numbers": "same"}, "versions": {"chimed": "0.1.0"},
    })  # fmt: skip
    (path / "manifest.json").write_text(manifest.dumps(), encoding="utf-8")
    sums = [f"{f['sha256']}  {f['path']}\n" for f in json.loads(manifest.dumps())["files"]]
    (path / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")
    return open_release(path)


def changed(folder: Path, split: Split = "sft", *, drop: int = 0, edit: bool = False) -> Release:
    """Twelve rows of each source in small shards; without the last `drop` of each, or with one row replaced."""
    rows = [
        row for row in some_rows(split, 12) if not row["id"].endswith(tuple(f"{n:x}" for n in range(12 - drop, 12)))
    ]
    if edit:
        rows[0] = some_row(split, rows[0]["source"], 77)
    return make_release(folder, split, rows=rows, shard_bytes=600)
