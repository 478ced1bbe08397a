"""One run of one tool on the benchmark's corpus, in a process of its own: `python peers.py TOOL CORPUS OUT.json`.

Every tool gets the same texts in memory (column `plain`) and says which rows it would remove. CPU seconds are those of
the process and its children between "texts are here" and "rows are known"; start-up, imports, compiling and loading
come before. A tool that only gives buckets is followed by plain connected components, its lowest row stays.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow.parquet as pq

Remove = Callable[[list[str]], list[int]]
GRAM, ROWS = 5, 8192


def grams(text: str) -> list[str]:
    return [text[i : i + GRAM] for i in range(max(1, len(text) - GRAM + 1))]


def components(pairs: Iterable[tuple[int, int]], count: int) -> list[int]:
    """Rows that are not the lowest of their component."""
    root = list(range(count))

    def find(x: int) -> int:
        while root[x] != x:
            root[x] = root[root[x]]
            x = root[x]
        return x

    for x, y in pairs:
        a, b = sorted((find(x), find(y)))
        root[b] = a
    return [i for i in range(count) if find(i) != i]


def _ours(preset: str, numbers: str) -> Remove:
    import numpy as np
    import pyarrow as pa

    from chimed.dedup import NearSettings, near

    def remove(texts: list[str]) -> list[int]:
        def batches() -> Iterator[pa.RecordBatch]:
            for start in range(0, len(texts), ROWS):
                part = pa.array(texts[start : start + ROWS], pa.large_string())
                yield pa.record_batch({"id": pa.nulls(len(part), pa.string()), "text": part})

        with tempfile.TemporaryDirectory() as work:
            found = near(batches, NearSettings.preset(preset, 0.8, numbers), Path(work) / "work")
        return np.flatnonzero(~found.keep).tolist()

    return remove


def _datasketch(hashing: str) -> Remove:
    from datasketch import MinHash, MinHashLSH

    if hashing == "xxh32":
        from xxhash import xxh32_intdigest as hashfunc
    else:
        hashfunc = None

    def remove(texts: list[str]) -> list[int]:
        index, pairs, kept = MinHashLSH(threshold=0.8, num_perm=128), [], []
        for row, text in enumerate(texts):
            minhash = MinHash(num_perm=128) if hashfunc is None else MinHash(num_perm=128, hashfunc=hashfunc)
            minhash.update_batch([gram.encode() for gram in grams(text)])
            pairs += [(row, other) for other in index.query(minhash) if minhash.jaccard(kept[other]) >= 0.8]
            index.insert(row, minhash)
            kept.append(minhash)
        return components(pairs, len(texts))

    return remove


def _rensa() -> Remove:
    from rensa import RMinHash, RMinHashLSH

    def remove(texts: list[str]) -> list[int]:
        index, pairs, kept = RMinHashLSH(threshold=0.8, num_perm=128, num_bands=16), [], []
        for row, text in enumerate(texts):
            minhash = RMinHash(num_perm=128, seed=42)
            minhash.update(grams(text))
            pairs += [(row, other) for other in index.query(minhash) if minhash.jaccard(kept[other]) >= 0.8]
            index.insert(row, minhash)
            kept.append(minhash)
        return components(pairs, len(texts))

    return remove


def _daft() -> Remove:
    import os

    os.environ.update({"DAFT_PROGRESS_BAR": "0", "DO_NOT_TRACK": "true", "DAFT_ANALYTICS_ENABLED": "0"})
    import daft
    import numpy as np

    def remove(texts: list[str]) -> list[int]:
        # Its shingles are of words: with a space between all characters a word is a character.
        table = daft.from_pydict({"row": list(range(len(texts))), "text": [" ".join(text) for text in texts]})
        signed = table.select("row", table["text"].minhash(num_hashes=128, ngram_size=GRAM, seed=1)).to_arrow()
        hashes = signed["text"].combine_chunks().flatten().to_numpy().reshape(-1, 128)
        rows, pairs = signed["row"].to_numpy(), []
        for band in range(0, 126, 6):
            keys = np.ascontiguousarray(hashes[:, band : band + 6]).view(np.dtype((np.void, 24))).ravel()
            order = np.argsort(keys, kind="stable")
            same = np.flatnonzero(keys[order][1:] == keys[order][:-1])
            pairs += zip(rows[order[same]].tolist(), rows[order[same + 1]].tolist(), strict=True)
        return components(pairs, len(texts))

    return remove


def _datatrove() -> Remove:
    import numpy as np
    from datatrove.data import Document
    from datatrove.pipeline.dedup import minhash as steps
    from datatrove.utils.hashing import HashConfig
    from loguru import logger

    logger.remove()
    # Its word tokenizers know no Chinese characters; everything after the shingles is its own.
    steps.load_word_tokenizer = lambda language: None
    settings = steps.MinhashConfig(
        n_grams=GRAM, num_buckets=21, hashes_per_bucket=6, hash_config=HashConfig(precision=32)
    )

    class Signature(steps.MinhashDedupSignature):
        def get_shingles(self, text: str) -> np.ndarray:
            return np.fromiter([self._hash_func(g) for g in grams(text)], dtype=np.uint64).reshape((-1, 1))

    def remove(texts: list[str]) -> list[int]:
        with tempfile.TemporaryDirectory() as place:
            documents = (Document(text=text, id=str(i)) for i, text in enumerate(texts))
            Signature(f"{place}/signatures", config=settings).run(documents, 0, 1)
            for bucket in range(settings.num_buckets):
                step = steps.MinhashDedupBuckets(f"{place}/signatures", f"{place}/buckets", config=settings)
                step.run(None, bucket, settings.num_buckets)
            steps.MinhashDedupCluster(f"{place}/buckets", f"{place}/removed", config=settings).run(None, 0, 1)
            file = Path(place, "removed", "000000.remove")
            return np.frombuffer(file.read_bytes() if file.exists() else b"", "<u4").tolist()

    return remove


def _text_dedup() -> Remove:
    from datasets import Dataset, disable_progress_bars, load_from_disk
    from text_dedup import minhash

    disable_progress_bars()
    minhash.logger.disabled = True

    def remove(texts: list[str]) -> list[int]:
        with tempfile.TemporaryDirectory() as place:
            # It splits at what is no letter, and Chinese has no spaces: a word is a character here too.
            rows = {"row": list(range(len(texts))), "text": [" ".join(text) for text in texts]}
            Dataset.from_dict(rows).save_to_disk(f"{place}/in")
            said = f"--path {place}/in --local --output {place}/out --column text --batch_size 10000 --num_proc 1"
            said += f" --ngram {GRAM} --min_length 1 --threshold 0.8 --num_perm 128"
            minhash.main(said.split(), standalone_mode=False)
            kept = set(load_from_disk(f"{place}/out")["row"])
        return [row for row in range(len(texts)) if row not in kept]

    return remove


TOOLS: dict[str, Callable[[], Remove]] = {
    "chimed": lambda: _ours("default", "ignore"),
    "chimed numbers=same": lambda: _ours("default", "same"),
    "chimed strict": lambda: _ours("strict", "ignore"),
    "datasketch sha1": lambda: _datasketch("sha1"),
    "datasketch xxh32": lambda: _datasketch("xxh32"),
    "rensa": _rensa,
    "daft minhash": _daft,
    "datatrove": _datatrove,
    "text-dedup": _text_dedup,
}


def peak() -> float:
    """Most memory that this process held, in MB (ru_maxrss would begin with what its parent held)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1024


def cpu() -> float:
    """CPU seconds of this process and its finished children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def main() -> None:
    tool, corpus, out = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    texts = pq.read_table(corpus, columns=["plain"])["plain"].to_pylist()
    remove = TOOLS[tool]()
    remove(texts[:200])
    before, memory = cpu(), peak()
    removed = remove(texts)
    used, most = cpu() - before, peak()
    facts = {"cpu": used, "peak_mb": most, "added_mb": most - memory, "removed": removed}
    out.write_text(json.dumps(facts), encoding="utf-8")


if __name__ == "__main__":
    main()
