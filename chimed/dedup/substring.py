"""Repeated passages (ExactSubstr of Lee et al. 2022) over raw code points, exact and in bounded memory.

A passage repeats where a window of L characters stood before, in a lower row or earlier in the same text. The first
occurrence stays; of later ones whole sentences are cut. Nothing else of a text changes, windows never cross texts, and
what is cut is identical to what stays, so no number is lost. One round: the few repeats that joints create stay.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from chimed.dedup.signing import buffers
from chimed.dedup.spill import Grown
from chimed.dedup.windows import bits_between, emit, mark, part, repeated, set_bits
from chimed.errors import UsageError

Batches = Callable[[], Iterator[pa.RecordBatch]]
Pairs = tuple[npt.NDArray[np.int64], Iterator[npt.NDArray[np.int64]]]
SENTENCE_ENDS = frozenset("。！？!?；;\n…")
KEEP_CHARACTERS, KEEP_SHARE = 20, 0.1
_LEAST_SLOTS, _MOST_SLOTS = 20, 30
_PARTITION_CHARACTERS, _MOST_PARTITIONS = 2**21, 512


@dataclass(frozen=True)
class SubstringSettings:
    """Length of a repeated window in characters: 75 is about 50 tokens of a Chinese vocabulary, as in the paper."""

    length: int = 75

    def __post_init__(self) -> None:
        if self.length < 4:
            raise UsageError(f"length {self.length}: a repeated passage has at least 4 characters.")

    @property
    def gram(self) -> int:
        """Length of the k-grams that minimizers are chosen from."""
        return max(2, self.length * 24 // 75)


Search = Callable[[Batches, SubstringSettings, Path, int], Pairs]


@dataclass(frozen=True)
class Cut:
    """A row that holds repeated passages: what is cut (code points), and whether too little would be left of it.

    `twin` is the row where the first repeated passage stood before.
    """

    row: int
    spans: tuple[tuple[int, int], ...]
    text: str
    drop: bool
    twin: int


def substring(
    batches: Batches, settings: SubstringSettings, work: Path, size: int = 2**28, *, search: Search | None = None
) -> Iterator[Cut]:
    """Rows of which something is cut, in order. `batches` (column `text`) is read three times; `work` is emptied.

    `size` is about how many bytes of text there are: a wrong guess costs time or memory, never the result. Memory: two
    bits per character and a filter of up to 256 MB; on disk 24 bytes per window that may repeat. `search` takes the
    place of `pairs_here` (another engine).
    """
    with ExitStack() as stack:
        starts, found = (search or pairs_here)(batches, settings, work, size)
        repeat, first = (np.zeros(starts[-1] // 8 + 1, np.uint8) for _ in range(2))
        pairs = stack.enter_context(closing(Grown(work / "pairs", np.int64)))
        for part in found:
            set_bits(np.ascontiguousarray(part[:, 0]), repeat)
            set_bits(np.ascontiguousarray(part[:, 1]), first)
            pairs.append(part)
        yield from _cuts(batches, settings, starts, repeat, first, _heads(pairs.array(), repeat))
    shutil.rmtree(work)


def repeated_places(
    batches: Batches, settings: SubstringSettings, work: Path, size: int = 2**28
) -> npt.NDArray[np.int64]:
    """All places (numbers of characters over all texts, ascending) where a window begins that stood before."""
    _, found = pairs_here(batches, settings, work, size)
    places = np.sort(np.concatenate([np.empty(0, np.int64), *(part[:, 0] for part in found)]))
    shutil.rmtree(work)
    return places


def filter_of(size: int) -> npt.NDArray[np.uint8]:
    """An empty filter (of `twice`) for about so many bytes of text: few characters are minimizers."""
    bits = min(_MOST_SLOTS, max(_LEAST_SLOTS, (size // 4).bit_length()))
    return np.zeros((1 << bits) // 4, np.uint8)


def parts_for(characters: int) -> int:
    """How many parts windows are divided into, so that each fits in memory."""
    return min(_MOST_PARTITIONS, 1 << int(characters // _PARTITION_CHARACTERS).bit_length())


def mark_texts(texts: pa.Array, settings: SubstringSettings, seen: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """First sweep: note the minimizers of some texts in the filter; returns how many characters each text has."""
    counts = np.empty(len(texts), np.int64)
    mark(*buffers(texts), settings.length, settings.gram, seen, counts)
    return counts


def windows_of(
    texts: pa.Array, settings: SubstringSettings, seen: npt.NDArray[np.uint8], start: int, stop: int, parts: int
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Second sweep: windows that may repeat of the texts whose characters are [start, stop) of all.

    Returns windows (two hashes, place) by part, in the order of their places, and where each part begins and ends.
    """
    hashes, places = np.empty((2, stop - start), np.uint64), np.empty(stop - start, np.int64)
    count = emit(*buffers(texts), settings.length, settings.gram, seen, start, hashes, places)
    windows, ends = np.empty((count, 3), np.uint64), np.empty(parts + 1, np.int64)
    part(hashes, places, count, windows, ends)
    return windows, ends


def pairs_of(windows: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Pairs (place, first place) of equal windows among those of a part, which come in the order of their places."""
    table = np.full(1 << (2 * len(windows)).bit_length(), -1, np.int64)
    found = np.empty((len(windows), 2), np.int64)
    return found[: repeated(windows, table, found)]


def pairs_here(batches: Batches, settings: SubstringSettings, work: Path, size: int) -> Pairs:
    """Where every text begins among all characters, and the pairs of repeated windows part by part, on this machine."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    seen = filter_of(size)
    counts = [mark_texts(batch.column("text"), settings, seen) for batch in batches()]
    starts = np.cumsum(np.concatenate([np.zeros(1, np.int64), *counts]))
    return starts, _pairs(batches, settings, seen, starts, work)


def _pairs(
    batches: Batches,
    settings: SubstringSettings,
    seen: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    work: Path,
) -> Iterator[npt.NDArray[np.int64]]:
    parts = parts_for(int(starts[-1]))
    with ExitStack() as stack:
        files = [stack.enter_context(closing(Grown(work / f"windows-{i:03d}", np.uint64))) for i in range(parts)]
        row = 0
        for batch in batches():
            start, stop = int(starts[row]), int(starts[row + batch.num_rows])
            windows, ends = windows_of(batch.column("text"), settings, seen, start, stop, parts)
            for i in np.flatnonzero(np.diff(ends)):
                files[i].append(windows[ends[i] : ends[i + 1]])
            row += batch.num_rows
        for file in files:
            yield pairs_of(file.array().reshape(-1, 3))


def _heads(pairs: npt.NDArray[np.int64], repeat: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Of pairs (place, first place) those where a repeated passage begins, by place."""
    pairs = pairs.reshape(-1, 2)
    before = np.maximum(pairs[:, 0] - 1, 0)
    inside = (repeat[before >> 3] >> (before & 7).astype(np.uint8) & 1).astype(np.bool_) & (pairs[:, 0] > 0)
    heads = pairs[~inside]
    return heads[np.argsort(heads[:, 0])]


def _cuts(
    batches: Batches, settings: SubstringSettings, starts: npt.NDArray[np.int64], repeat: npt.NDArray[np.uint8],
    first: npt.NDArray[np.uint8], heads: npt.NDArray[np.int64],
) -> Iterator[Cut]:  # fmt: skip
    row = 0
    for batch in batches():
        low, high = int(starts[row]), int(starts[row + batch.num_rows])
        out = np.empty(high - low, np.int64)
        places = out[: bits_between(repeat, low, high, out)].copy() + low
        rows, firsts = np.unique(np.searchsorted(starts, places, side="right") - 1, return_index=True)
        edges = [*firsts.tolist(), places.size]
        for i, here in enumerate(rows.tolist()):
            text = batch.column("text")[here - row].as_py()
            begin = int(starts[here])
            spans = whole_sentences(text, merged(places[edges[i] : edges[i + 1]] - begin, settings.length))
            if spans:
                held = out[: bits_between(first, begin, begin + len(text), out)]
                head = heads[np.searchsorted(heads[:, 0], begin), 1]
                twin = int(np.searchsorted(starts, head, side="right")) - 1
                yield _cut(here, text, spans, held, settings.length, twin)
        row += batch.num_rows


def merged(places: npt.NDArray[np.int64], length: int) -> list[tuple[int, int]]:
    """Union of overlapping or touching windows that start at the given places (ascending)."""
    apart = np.flatnonzero(np.diff(places) > length)
    begin = places[np.concatenate([[0], apart + 1])]
    end = places[np.concatenate([apart, [places.size - 1]])] + length
    return list(zip(begin.tolist(), end.tolist(), strict=True))


def whole_sentences(text: str, spans: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Spans shrunk inwards to sentence ends; a line end stays where two paragraphs would stick together."""
    shrunk = []
    for a, b in spans:
        while 0 < a < b and text[a - 1] not in SENTENCE_ENDS:
            a += 1
        while a < b < len(text) and text[b - 1] not in SENTENCE_ENDS:
            b -= 1
        if a < b and a > 0 and b < len(text) and text[b - 1] == "\n" and text[a - 1] != "\n":
            b -= 1
        if a < b:
            shrunk.append((a, b))
    return tuple(shrunk)


def without(text: str, spans: tuple[tuple[int, int], ...]) -> str:
    """The text without the spans, otherwise as it was."""
    ends = [0, *(end for _, end in spans)]
    begins = [*(begin for begin, _ in spans), len(text)]
    return "".join(text[a:b] for a, b in zip(ends, begins, strict=True))


def _cut(
    row: int, text: str, spans: tuple[tuple[int, int], ...], held: npt.NDArray[np.int64], length: int, twin: int
) -> Cut:
    """Drop the row when little is left, unless that little is the first occurrence of what is cut elsewhere."""
    left = without(text, spans)
    little = len(left) < KEEP_CHARACTERS or len(left) < KEEP_SHARE * len(text)
    needed = little and any(not any(a <= p and p + length <= b for a, b in spans) for p in held.tolist())
    return Cut(row, spans, left, little and not needed, twin)
