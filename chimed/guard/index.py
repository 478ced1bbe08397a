"""The index of evaluation items: built once, saved as hashes, asked for every record."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chimed.errors import DataError
from chimed.guard.items import SEPARATOR, STEM, EvalItem, codes, folding, parts_of
from chimed.guard.rules import Hit, Measure, judge, worst

Array = np.ndarray[Any, np.dtype[Any]]
FORMAT = 1
NOTICEABLE = 0.2
"""Share of an item below which an overlap is not reported: a phrase or two that medical texts have in common."""

_ASKS = re.compile(r"[?？]|__|（\s*）|\(\s*\)|[是为有于指括见用]\W*$|[哪何谁吗呢怎几]|什么|多少|错误|正确")
_LISTED = re.compile(r"(?<![A-Za-z])A[.、．:：)）\s].{1,300}?(?<![A-Za-z])B[.、．:：)）\s]", re.DOTALL)


class Index:
    """Hashes of the 13-grams of evaluation items. Not to be shared between threads: it keeps scratch space."""

    def __init__(self, arrays: dict[str, Array]) -> None:
        """`arrays` as `build` makes them and `save` writes them."""
        self.arrays = arrays
        self._sets = arrays["set"].tolist()
        self._ids = arrays["id"].tolist()
        self._choice = arrays["choice"].tolist()
        lengths = arrays["part_length"]
        self._part_at = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        self._item_at = np.searchsorted(arrays["part_item"], np.arange(len(self._ids) + 1)).astype(np.int64)
        self._symbol_part = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        self._grams = _table(arrays["gram_key"])
        self._heads = _table(arrays["head_key"])
        self._marks = np.zeros(int(self._part_at[-1]) + 1, np.uint32)
        self._complete = np.zeros(len(lengths), np.uint32)
        self._bounded = np.zeros(len(lengths), np.uint32)
        self._seen = np.zeros(len(lengths), np.uint32)
        self._span = np.zeros((len(lengths), 2), np.int32)
        self._items_seen = np.zeros(len(self._ids), np.uint32)
        self._candidates = np.zeros(len(self._ids), np.int32)
        self._now = np.uint32(0)
        self._make_room(1 << 12)

    @classmethod
    def build(cls, items: Iterable[EvalItem]) -> Index:
        """The index of these items, in their order."""
        from chimed.guard.scan import GRAM, HEAD, gram_hashes, window_hash

        names: list[tuple[str, str, bool]] = []
        parts: list[tuple[int, int, Array]] = []
        asks: list[bool] = []
        for number, item in enumerate(items):
            names.append((item.set, item.id, item.kind == "choice"))
            texts = list(parts_of(item))
            parts += [(number, role, _folded(text)) for role, text in texts]
            asks += [_ASKS.search(text) is not None for _, text in texts]
        keys, posts, heads, head_posts, at = [np.zeros(0, np.uint64)], [np.zeros(0, np.int32)], [], [], 0
        for number, (_, role, symbols) in enumerate(parts):
            size = len(symbols)
            if size >= GRAM:
                hashes = np.empty(size - GRAM + 1, np.uint64)
                gram_hashes(symbols, size, GRAM, hashes)
                keys.append(hashes)
                posts.append(np.arange(at, at + len(hashes), dtype=np.int32))
            elif role == STEM and size >= HEAD:
                heads.append(window_hash(symbols, 0, HEAD))
                head_posts.append(number)
            at += size
        return cls(
            {
                "set": np.array([name[0] for name in names], np.str_),
                "id": np.array([name[1] for name in names], np.str_),
                "choice": np.array([name[2] for name in names], np.bool_),
                "part_item": np.array([part[0] for part in parts], np.int32),
                "part_role": np.array([part[1] for part in parts], np.uint8),
                "part_asks": np.array(asks, np.bool_),
                "part_length": np.array([len(part[2]) for part in parts], np.int32),
                "part_whole": np.array([window_hash(p[2], 0, len(p[2])) for p in parts], np.uint64),
                **_grouped("gram", np.concatenate(keys), np.concatenate(posts)),
                **_grouped("head", *_by_length(heads, head_posts, parts)),
            }
        )

    def check(self, texts: Sequence[str]) -> Hit | None:
        """The evaluation item that contaminates the record worst, or None."""
        return next((hit for hit in self.hits(texts) if hit.contaminated), None)

    def hits(self, texts: Sequence[str]) -> list[Hit]:
        """Items of which a noticeable part stands in the texts of one record; contaminated, then most covered first."""
        rows = self._measure(texts)
        if not len(rows):
            return []
        listed = any(_LISTED.search(text) for text in texts)
        hits = []
        for number, row in zip(self._candidates[: len(rows)].tolist(), rows.tolist(), strict=True):
            coverage, run, kind, bad = judge(self._choice[number], Measure(*row), listed)
            if bad or coverage >= NOTICEABLE:
                hits.append(Hit(self._sets[number], self._ids[number], coverage, run, kind, bad))
        return worst(hits)

    def _measure(self, texts: Sequence[str]) -> Array:
        from chimed.guard import cover, scan

        raw = codes(texts[0] if len(texts) == 1 else SEPARATOR.join(texts))
        if len(raw) * 4 > len(self._symbols):
            self._make_room(len(raw) * 8)
        a, places, found = self.arrays, self._places, self._found
        n = scan.fold(raw, *folding(), self._symbols, self._edge)
        grams = scan.seek(self._symbols, n, scan.GRAM, a["gram_key"], *self._grams, places, found)
        state = (self._seen, self._span, self._items_seen, self._candidates)
        self._next()
        touched = 0
        if grams:
            touched = scan.mark(
                places, found, grams, a["gram_at"], a["gram_post"], self._symbol_part, a["part_item"], self._now,
                self._marks, *state,
            )  # fmt: skip
        heads = scan.seek(self._symbols, n, scan.HEAD, a["head_key"], *self._heads, places, found)
        if heads:
            touched = scan.mark_short(
                self._symbols, self._edge, n, places, found, heads, a["head_at"], a["head_post"], a["part_length"],
                a["part_whole"], a["part_asks"], a["part_item"], self._now, self._complete, self._bounded, *state,
                touched,
            )  # fmt: skip
        out = np.empty((touched, cover.COLUMNS), np.int64)
        if touched:
            cover.measure(
                self._symbols, n, self._candidates, touched, self._item_at, a["part_role"], self._part_at,
                a["part_length"], a["part_whole"], self._now, self._marks, self._complete, self._bounded,
                self._seen, self._span, out,
            )  # fmt: skip
        return out

    def _next(self) -> None:
        """A new stamp for the next record; once in four billion records the old stamps are wiped."""
        if self._now == np.iinfo(np.uint32).max:
            for stamps in (self._marks, self._complete, self._bounded, self._seen, self._items_seen):
                stamps[:] = 0
            self._now = np.uint32(0)
        self._now = np.uint32(self._now + 1)

    def _make_room(self, symbols: int) -> None:
        self._symbols = np.zeros(symbols, np.uint32)
        self._edge = np.zeros(symbols + 1, np.bool_)
        self._places = np.zeros(symbols, np.int32)
        self._found = np.zeros(symbols, np.int32)

    def digest(self) -> str:
        """A short hash of the whole index: the same items give the same one everywhere."""
        whole = hashlib.blake2b(str(FORMAT).encode(), digest_size=12)
        for name, array in sorted(self.arrays.items()):
            whole.update(name.encode())
            whole.update("\n".join(array.tolist()).encode() if array.dtype.kind == "U" else array.tobytes())
        return whole.hexdigest()

    def save(self, path: Path) -> None:
        """Write the index (numpy arrays, uncompressed); whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        with temporary.open("wb") as file:
            np.savez(file, format=np.array([FORMAT]), **self.arrays)  # type: ignore[arg-type]
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> Index:
        """Open a saved index; raises DataError for another format."""
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        if arrays.pop("format", np.array([0])).tolist() != [FORMAT]:
            raise DataError(f"{path.name}: not a guard index of format {FORMAT}. Delete it; the next build writes it.")
        return cls(arrays)


def _folded(text: str) -> Array:
    from chimed.guard.scan import fold

    raw = codes(text)
    out = np.zeros(4 * len(raw) + 1, np.uint32)
    return out[: fold(raw, *folding(), out, np.zeros(len(out) + 1, np.bool_))].copy()


def _by_length(heads: list[int], posts: list[int], parts: list[tuple[int, int, Array]]) -> tuple[Array, Array]:
    """Short stems in rising length, so that the loop behind a key can grow one hash."""
    order = sorted(range(len(posts)), key=lambda at: len(parts[posts[at]][2]))
    return np.array([heads[at] for at in order], np.uint64), np.array([posts[at] for at in order], np.int32)


def _grouped(name: str, keys: Array, posts: Array) -> dict[str, Array]:
    """Distinct keys, and behind each the places where it occurs."""
    order = np.argsort(keys, kind="stable")
    distinct, first = np.unique(keys[order], return_index=True)
    ends = np.append(first, len(keys)).astype(np.int64)
    return {f"{name}_key": distinct, f"{name}_at": ends, f"{name}_post": posts[order]}


def _table(keys: Array) -> tuple[Array, Array]:
    from chimed.guard.scan import fill

    size = max(16, len(keys))
    slots = np.full(1 << (2 * size - 1).bit_length(), -1, np.int32)
    bits = np.zeros(1 << max(4, (size // 2).bit_length()), np.uint64)
    fill(keys, slots, bits)
    return slots, bits
