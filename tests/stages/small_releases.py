"""Small releases for the training tests: written rows, real manifests, no build."""

import random
from pathlib import Path
from typing import Any

import pyarrow as pa

from chimed.parquet import published_schema, write_shards
from chimed.records import RELEASE_NAMES, Split
from chimed.release import FileEntry, Manifest, SourceEntry

ILLNESSES = "感冒 肺炎 高血压 糖尿病 胃炎 湿疹 偏头痛 贫血 哮喘 痛风".split()
SIGNS = "咳嗽 发热 头晕 乏力 胸闷 恶心 皮疹 关节痛 口渴 失眠".split()
DRUGS = "阿莫西林 布洛芬 二甲双胍 氨氯地平 奥美拉唑 氯雷他定".split()


def _sentence(rng: random.Random) -> str:
    return (f"{rng.choice(ILLNESSES)}常见的表现是{rng.choice(SIGNS)}和{rng.choice(SIGNS)}，"
            f"可用{rng.choice(DRUGS)}{rng.choice((0.25, 0.5, 5, 10, 20))}mg，每日{rng.randint(1, 3)}次。")  # fmt: skip


def _answer(rng: random.Random) -> str:
    return "您好，" + "".join(_sentence(rng) for _ in range(rng.randint(1, 3))) + "请及时就医。"


def _question(rng: random.Random) -> str:
    return f"医生，我{rng.choice(SIGNS)}{rng.randint(1, 9)}天了，会是{rng.choice(ILLNESSES)}吗？"


def rows(split: Split, count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Published rows of a split."""
    rng = random.Random(f"{split} {seed}")
    made = []
    for i in range(count):
        row: dict[str, Any] = {"id": f"cmd:{split}{i:06d}", "source": "cmd", "domain": "medical", "license": "MIT"}
        if split == "cpt":
            row |= {"text": "".join(_sentence(rng) for _ in range(rng.randint(1, 12))), "kind": "passage"}
        elif split == "sft":
            turns = rng.choice((1, 1, 1, 2, 3))
            row["messages"] = [m for _ in range(turns) for m in (_say("user", _question(rng)),
                                                                 _say("assistant", _answer(rng)))]  # fmt: skip
            row["rounds"] = "single" if turns == 1 else "multi"
        else:
            row |= {"prompt": [_say("user", _question(rng))], "chosen": [_say("assistant", _answer(rng))],
                    "rejected": [_say("assistant", "不知道。" * rng.randint(1, 4))]}  # fmt: skip
        made.append(row)
    return made


def _say(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def make_release(folder: Path, split: Split, count: int | list[dict[str, Any]], *, validation: int = 0) -> Path:
    """Write a release of `count` made rows (or of the given rows) and return its folder."""
    given = rows(split, count) if isinstance(count, int) else count
    out = folder / RELEASE_NAMES[split]
    schema = published_schema(split)
    parts = {"train": given[validation:], "validation": given[:validation]}
    files = []
    for part, part_rows in parts.items():
        if part_rows:
            batch = pa.RecordBatch.from_pylist(part_rows, schema)
            for shard in write_shards(out / "data/cmd", part, [batch], schema):
                files.append(FileEntry(
                    path=f"data/cmd/{shard.path.name}", sha256=shard.sha256, bytes=shard.bytes, rows=shard.rows,
                    content_sha256=shard.content_sha256,
                ))  # fmt: skip
    source = SourceEntry(
        source="cmd", home="https://example.org", license="MIT", redistributable="yes", attribution="us",
        domain="medical", kind="dialogue", files=[], read=len(given), kept=len(given), records=len(given), lost={},
    )  # fmt: skip
    manifest = Manifest(
        name=RELEASE_NAMES[split], split=split, version="1.0.0", rows=len(given), bytes=sum(f.bytes for f in files),
        files=files, sources=[source], settings={}, versions={},
    )  # fmt: skip
    (out / "manifest.json").write_text(manifest.dumps(), encoding="utf-8")
    return out
