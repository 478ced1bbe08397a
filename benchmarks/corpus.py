"""A generated corpus of Chinese-like medical text with planted copies, and the truth about them.

    python benchmarks/corpus.py OUT.parquet [--megabytes 100] [--seed 1]

Sentences are drawn word by word from a list of our own, so two texts that were not planted share almost no 5-grams. A
tenth of the texts found families: exact copies, copies with scattered edits (0.2 % to 6 % of the characters), with one
contiguous change, with shuffled halves, and template rows (a long notice around a little of their own), which are
alike without being copies. The truth is computed here inside each family, pair by pair, with Python sets and
rapidfuzz; it knows nothing of hashes. Columns: id, text, plain (without punctuation, as all tools get it), family.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

WORDS = """
头痛 发热 咳嗽 腹泻 胸闷 心悸 乏力 失眠 恶心 呕吐 便秘 水肿 皮疹 眩晕 耳鸣 贫血 黄疸 咯血 气促 盗汗 高血压 糖尿病 冠心病 肺炎
支气管炎 胃溃疡 肝硬化 肾炎 甲状腺 结节 骨折 关节炎 湿疹 荨麻疹 过敏 哮喘 中风 偏瘫 癫痫 抑郁 焦虑 患者 病人 医生 建议 检查
复查 住院 门诊 手术 治疗 用药 口服 静脉 注射 滴注 雾化 吸氧 输液 监测 血压 血糖 血脂 尿常规 血常规 心电图 彩超 核磁 造影 活检
病理 诊断 鉴别 预后 康复 饮食 清淡 休息 运动 戒烟 限酒 保暖 避免 劳累 情绪 睡眠 规律 注意 观察 及时 就医 随访 症状 体征 病史
家族 遗传 感染 病毒 细菌 真菌 炎症 免疫 激素 抗生素 阿莫西林 头孢克肟 布洛芬 二甲双胍 硝苯地平 阿司匹林 奥美拉唑 氯雷他定 左氧氟沙星
胰岛素 地塞米松 华法林 利尿剂 降压药 止咳药 退热药 中药 针灸 推拿 艾灸 拔罐 气虚 血瘀 痰湿 阴虚 阳虚 肝郁 脾虚 肾虚 舌苔 脉象
可能 出现 伴有 加重 缓解 减轻 持续 反复 突发 慢性 急性 早期 晚期 轻度 中度 重度 左侧 右侧 上肢 下肢 腹部 胸部 背部 腰部 颈部 头部
如果 因此 但是 同时 其次 首先 一般 通常 有时 经常 需要 应当 可以 必须 不宜 禁用 慎用 孕妇 儿童 老人 哺乳期 青少年 过量 不良反应
的 了 在 是 和 与 或 及 对 由 被 把 从 到 为 以 于 而 则 等 这种 那些 其他 另外 具体 主要 常见 少见 明显 轻微 正常 异常 升高 降低
""".split()
LETTERS = sorted({letter for word in WORDS for letter in word})
DROPPED = str.maketrans("", "", "，。")


def sentence(rng: random.Random) -> str:
    """Four to fourteen words with a comma now and then."""
    words = rng.choices(WORDS, k=rng.randint(4, 14))
    if len(words) > 8:
        words[len(words) // 2] += "，"
    return "".join(words) + "。"


def document(rng: random.Random) -> str:
    """Between a question and a page: log-normal, median some 300 characters."""
    length = min(6000, max(20, int(rng.lognormvariate(5.7, 0.7))))
    parts: list[str] = []
    while length > 0:
        parts.append(sentence(rng))
        length -= len(parts[-1])
    return "".join(parts)


def edited(rng: random.Random, text: str, share: float) -> str:
    """Replace, drop or double single characters."""
    letters = list(text)
    for _ in range(max(1, round(share * len(letters)))):
        place = rng.randrange(len(letters))
        letters[place] = rng.choice([rng.choice(LETTERS), "", letters[place] + rng.choice(LETTERS)])
    return "".join(letters)


def copy(rng: random.Random, text: str) -> str:
    """A copy of some kind."""
    kind = rng.random()
    if kind < 0.45:
        return text
    if kind < 0.85:
        return edited(rng, text, rng.choice([0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.06]))
    if kind < 0.95:
        start = rng.randrange(len(text))
        return text[:start] + sentence(rng) + text[start + rng.randint(0, len(text) // 8) :]
    return text[len(text) // 2 :] + text[: len(text) // 2]


def rows(size: int, seed: int) -> Iterator[tuple[str, int]]:
    """Texts and the number of their family, about `size` bytes of them; copies come some time after."""
    rng = random.Random(seed)
    waiting: list[tuple[str, int]] = []
    family, delay = 0, max(20, size // 50_000)
    while size > 0:
        family += 1
        kind = rng.random()
        text = document(rng)
        made = [(text, family)]
        if kind < 0.08:
            made += [(copy(rng, text), family) for _ in range(min(12, int(rng.expovariate(0.5)) + 1))]
        elif kind < 0.0805:
            notice = "".join(sentence(rng) for _ in range(9))
            made = [(notice + sentence(rng) + sentence(rng), family) for _ in range(60)]
        waiting += made[1:]
        yield made[0]
        size -= len(made[0][0]) * 3
        while len(waiting) > delay:
            chosen = rng.randrange(len(waiting))
            waiting[chosen], waiting[-1] = waiting[-1], waiting[chosen]
            last = waiting.pop()
            size -= len(last[0]) * 3
            yield last


FIELDS = [("id", pa.string()), ("text", pa.string()), ("plain", pa.string()), ("family", pa.int64())]


def write(path: Path, megabytes: float, seed: int = 1, columns: int = len(FIELDS)) -> None:
    """Write the corpus as Parquet, or the first of its columns."""
    held: list[tuple[str, int]] = []
    count = 0
    with pq.ParquetWriter(path, pa.schema(FIELDS[:columns]), compression="zstd", use_dictionary=False) as writer:
        for row in rows(int(megabytes * 1e6), seed):
            held.append(row)
            if len(held) == 20_000:
                count += _flush(writer, held, count)
                held = []
        _flush(writer, held, count)


def _flush(writer: pq.ParquetWriter, held: list[tuple[str, int]], count: int) -> int:
    texts = [text for text, _ in held]
    ids = [f"d{count + i}" for i in range(len(held))]
    plain = [text.translate(DROPPED) for text in texts]
    values = [ids, texts, plain, [family for _, family in held]]
    writer.write_table(pa.table(values[: len(writer.schema.names)], writer.schema.names))
    return len(held)


def write_large(path: Path, rows: int, characters: int, seed: int = 1) -> None:
    """Rows of random characters, fast to make: a tenth exact copies, a tenth copies with another last character."""
    import numpy as np

    draw, count = np.random.default_rng(seed), 30_000_000 // characters
    earlier = None
    with pq.ParquetWriter(
        path, pa.schema([("text", pa.large_string())]), compression="zstd", use_dictionary=False
    ) as file:
        for start in range(0, rows, count):
            n = min(count, rows - start)
            codes = draw.integers(0x4E00, 0x4E00 + 3000, (n, characters), dtype=np.uint32)
            kind = draw.random(n)
            if earlier is not None:
                again = np.flatnonzero(kind < 0.2)
                codes[again] = earlier[draw.integers(0, len(earlier), again.size)]
                changed = np.flatnonzero(kind < 0.1)
                codes[changed, -1] = draw.integers(0x4E00, 0x4E00 + 3000, changed.size)
            earlier = codes
            data = np.stack([0xE0 | codes >> 12, 0x80 | codes >> 6 & 63, 0x80 | codes & 63], axis=2).astype(np.uint8)
            ends = np.arange(n + 1, dtype=np.int64) * characters * 3
            texts = pa.Array.from_buffers(
                pa.large_string(), n, [None, pa.py_buffer(ends), pa.py_buffer(data.tobytes())]
            )
            file.write_table(pa.table({"text": texts}), row_group_size=15_000_000 // characters)


def truth(plain: list[str], family: list[int], threshold: float = 0.8) -> list[int]:
    """Component of each row (its lowest row): pairs of one family with Jaccard and edit similarity >= threshold."""
    from rapidfuzz.distance import Levenshtein

    members: dict[int, list[int]] = {}
    for row, number in enumerate(family):
        members.setdefault(number, []).append(row)
    root = list(range(len(plain)))
    for group in members.values():
        grams = [{plain[i][j : j + 5] for j in range(max(1, len(plain[i]) - 4))} for i in group]
        for x in range(len(group)):
            for y in range(x):
                common = len(grams[x] & grams[y])
                if common < threshold * (len(grams[x]) + len(grams[y]) - common) - 1e-9:
                    continue
                a, b = plain[group[x]], plain[group[y]]
                most = int((1 - threshold) * max(len(a), len(b)) + 1e-9)
                if Levenshtein.distance(a, b, score_cutoff=most) <= most:
                    low, high = sorted((root[group[x]], root[group[y]]))
                    for i in group:
                        root[i] = low if root[i] == high else root[i]
    return root


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    write(given.out, given.megabytes, given.seed)
