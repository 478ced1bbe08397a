"""Signatures on disk: band keys column by column, sketches row by row. What stays in memory is one block of keys."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
from numba import types, uint8, uint32, uint64

from chimed.compiled import kernel, read, write

_BLOCK = 4 * 2**20
_FAR = 64
_HELD = 32 * 2**20
MAPPED = 256 * 2**20
N = TypeVar("N", bound=np.generic)


@kernel(types.void(read(uint32, 2), types.int64, write(uint64, 2), write(uint8, 2)))
def keys_and_sketch(signature, rows, keys, sketch):  # type: ignore[no-untyped-def]
    """Band keys (one line per band) and one byte per permutation for each signature."""
    for i in range(signature.shape[0]):
        for j in range(keys.shape[0]):
            x = uint64(uint64(j + 1) * uint64(0x9E3779B97F4A7C15))
            for k in range(j * rows, j * rows + rows):
                x = uint64((x ^ uint64(signature[i, k])) * uint64(0xFF51AFD7ED558CCD))
                x ^= x >> uint64(32)
            keys[j, i] = x
        for k in range(signature.shape[1]):
            sketch[i, k] = uint8(uint32(signature[i, k] * uint32(2654435761)) >> uint32(24))


def fold(
    signature: npt.NDArray[np.uint32], bands: int, rows: int
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint8]]:
    """Band keys `[bands, n]` and sketches `[n, permutations]` of signatures `[n, permutations]`."""
    keys, sketch = np.empty((bands, len(signature)), np.uint64), np.empty(signature.shape, np.uint8)
    keys_and_sketch(signature, rows, keys, sketch)
    return keys, sketch


class Grown(Generic[N]):
    """A file that grows by arrays. It is read in pieces: a mapping would count into memory by whole neighbourhoods."""

    def __init__(self, path: Path, kind: type[N]) -> None:
        self.kind, self.size, self._buffered = np.dtype(kind), 0, False
        self._file = open(path, "w+b")  # noqa: SIM115 - closed by close()

    def append(self, values: npt.NDArray[N]) -> None:
        """Add the bytes of an array."""
        self._file.write(np.ascontiguousarray(values).data)
        self._buffered = True
        self.size += values.size

    def read(self, start: int, count: int) -> npt.NDArray[N]:
        """`count` values from place `start` on."""
        out = np.empty(count, self.kind)
        self._into(out, start)
        return out

    def array(self) -> npt.NDArray[N]:
        """All that was added, in memory."""
        return self.read(0, self.size)

    def gather(self, spans: npt.NDArray[np.int64]) -> tuple[npt.NDArray[N], npt.NDArray[np.int64]]:
        """The values of some spans `[n, 2]` end to end, and where each is now.

        Beyond MAPPED bytes they stay on disk, mapped: one component may be larger than memory.
        """
        ends = np.cumsum(spans[:, 1] - spans[:, 0])
        total = int(ends[-1]) if ends.size else 0
        if total * self.kind.itemsize > MAPPED:
            self._file.flush()
            return np.asarray(np.memmap(self._file, self.kind, "r")), spans
        out = np.empty(total, self.kind)
        now = np.stack([ends - (spans[:, 1] - spans[:, 0]), ends], axis=1)
        cuts = np.flatnonzero(spans[1:, 0] != spans[:-1, 1]) + 1  # neighbours in the file are read at once
        for low, high in zip([0, *cuts.tolist()], [*cuts.tolist(), len(spans)], strict=True):
            if low < high:
                self._into(out[now[low, 0] : now[high - 1, 1]], int(spans[low, 0]))
        return out, now

    def _into(self, out: npt.NDArray[N], start: int) -> None:
        if self._buffered:
            self._file.flush()
            self._buffered = False
        view, place = out.view(np.uint8).data, start * self.kind.itemsize
        while view:
            view = view[(n := os.preadv(self._file.fileno(), [view], place)) :]
            place += n

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Spill:
    """Band keys and sketches of all rows, in the order they are added."""

    def __init__(self, work: Path, bands: int, permutations: int) -> None:
        self.bands, self.permutations, self.rows = bands, permutations, 0
        self.block = max(256, _BLOCK // (8 * bands))
        self._keys = Grown(work / "keys", np.uint64)
        self._sketch = Grown(work / "sketches", np.uint8)
        self._held: list[npt.NDArray[np.uint64]] = []
        self._waiting = 0
        self._whole = np.empty((0, permutations), np.uint8)
        self._blocks: list[int] = []

    def append(self, keys: npt.NDArray[np.uint64], sketch: npt.NDArray[np.uint8]) -> None:
        """Add a batch: keys `[bands, n]`, sketches `[n, permutations]`."""
        self._sketch.append(sketch)
        self.rows += len(sketch)
        for start in range(0, keys.shape[1], self.block):
            part = keys[:, start : start + self.block]
            self._held.append(part)
            self._waiting += part.shape[1]
            if self._waiting >= self.block:
                self._write()

    def _write(self) -> None:
        if self._waiting:
            self._keys.append(np.concatenate(self._held, axis=1))
            self._blocks.append(self._waiting)
        self._held, self._waiting = [], 0

    def column(self, band: int, wanted: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
        """The keys of some rows (ascending) in one band."""
        self._write()
        out, at, row, done = np.empty(wanted.size, np.uint64), 0, 0, 0
        for n in self._blocks:
            high = int(np.searchsorted(wanted, row + n))
            if high > done:
                out[done:high] = self._keys.read(at + band * n, n)[wanted[done:high] - row]
            at, row, done = at + self.bands * n, row + n, high
        return out

    def sketches(self, wanted: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """The sketches of some rows, in the order asked for."""
        if self._sketch.size <= _HELD:
            if self._whole.size != self._sketch.size:
                self._whole = self._sketch.array().reshape(-1, self.permutations)
            return self._whole[wanted]
        out = np.empty((wanted.size, self.permutations), np.uint8)
        order = np.argsort(wanted)
        ordered = wanted[order]
        step = max(1, _BLOCK // self.permutations)
        for low, high, start in _stretches(ordered, step):
            stop = int(ordered[high - 1]) + 1
            block = self._sketch.read(start * self.permutations, (stop - start) * self.permutations)
            out[order[low:high]] = block.reshape(-1, self.permutations)[ordered[low:high] - start]
        return out

    def close(self) -> None:
        """Close the files."""
        self._keys.close()
        self._sketch.close()


def _stretches(rows: npt.NDArray[np.int64], step: int) -> Iterator[tuple[int, int, int]]:
    """Cut ascending rows into stretches that are read at once: close together, and at most `step` rows wide.

    Gives where a stretch begins and ends among the rows, and its first row.
    """
    cuts = np.flatnonzero(np.diff(rows) > _FAR) + 1
    for low, high in zip([0, *cuts.tolist()], [*cuts.tolist(), rows.size], strict=True):
        while low < high:
            start = int(rows[low])
            end = min(high, int(np.searchsorted(rows, start + step)))
            yield low, end, start
            low = end
