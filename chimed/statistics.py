"""The columns of the paper's Tables 1-3 for a release, beside the paper's figures and upstream's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from chimed import source
from chimed.errors import DataError, UsageError
from chimed.release import Release

Count = Callable[[list[str]], int]
TOTALS = {  # paper, Tables 1-3, last rows: samples, tokens, megabytes
    "cpt": ("9,550K", "2,122M", "4,520"),
    "sft": ("11,780K", "4,816M", "11,470"),
    "dpo": ("6K", "", "7.2"),
}


def tokenizer_at(place: Path) -> Count:
    """A counter of tokens (no special ones) by the Hugging Face tokenizer in a folder.

    Raises UsageError where the libraries are missing, DataError where there is no tokenizer.
    """
    if not place.is_dir():
        raise DataError(f"{place}: no such folder. --tokenizer names a folder with tokenizer.json.")
    try:
        from transformers import AutoTokenizer
    except ImportError:
        raise UsageError("counting tokens needs the extra: pip install 'qilin-chimed[train]'.") from None
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(place), trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError) as error:
        words = str(error).splitlines()[0].rstrip(":.")
        raise DataError(f"{place}: no tokenizer that can be read, such as tokenizer.json: {words}.") from None

    def count(texts: list[str]) -> int:
        return sum(len(ids) for ids in tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"])

    return count


def texts(release: Release, name: str) -> Iterator[list[str]]:
    """The training texts of one source in batches: running text, or the contents of all messages."""
    columns = {"cpt": ["text"], "sft": ["messages"], "dpo": ["prompt", "chosen", "rejected"]}[release.split]
    for part in ("train", "validation"):
        for batch in release.batches(part, source=name, columns=columns):
            for column in batch.columns:
                flat = column if release.split == "cpt" else pc.struct_field(column.flatten(), "content")
                yield flat.to_pylist()


def stats(
    release: Release, count: Count | None = None, report: Callable[..., None] = lambda *_, **__: None
) -> dict[str, Any]:
    """One entry per source and a total: samples, tokens (with a tokenizer), megabytes, the paper's, upstream's rows."""
    known = source.discover()
    rows: list[dict[str, Any]] = []
    for number, entry in enumerate(release.manifest.sources, start=1):
        report(number, len(release.manifest.sources), f"count {entry.source}")
        tokens = sum(map(count, texts(release, entry.source))) if count else None
        upstream = known.get(entry.source)
        paper = upstream.paper.get(release.split, ("", "")) if upstream else ("", "")
        rows.append({
            "source": entry.source, "read": entry.read, "samples": entry.records, "tokens": tokens,
            "megabytes": round(entry.text_bytes / 1e6, 3), "paper_samples": paper[0], "paper_megabytes": paper[1],
            "upstream_rows": upstream.expected if upstream else None,
            "note": _note(entry.read, upstream.expected if upstream else None),
        })  # fmt: skip
    paper_samples, paper_tokens, paper_size = TOTALS[release.split]
    return {
        "split": release.split, "release": release.manifest.name, "sources": rows,
        "total": {
            "samples": sum(row["samples"] for row in rows), "megabytes": round(sum(r["megabytes"] for r in rows), 3),
            "tokens": sum(row["tokens"] for row in rows) if count else None,
            "paper_samples": paper_samples, "paper_tokens": paper_tokens, "paper_megabytes": paper_size,
        },
    }  # fmt: skip


def _note(read: int, expected: int | None) -> str:
    """Where the upstream count is off by more than one per cent, by how much."""
    if not expected or abs(read - expected) <= expected / 100:
        return ""
    share = read / expected
    return f"read {share:.1%} of upstream" if share >= 0.001 else "read less than 0.1% of upstream"
