"""Signatures on disk: band keys column by column, sketches row by row. What stays in memory is one block of keys."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
from numba import types, uint8, uint32, uint64

from chimed.dedup.compiled import kernel, read, write

_BLOCK = 4 * 2**20
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
    """A file that grows by arrays and is then read as one, without counting into memory for longer than it is used."""

    def __init__(self, path: Path, kind: type[N]) -> None:
        self.kind, self.size = np.dtype(kind), 0
        self._file = open(path, "w+b")  # noqa: SIM115 - closed by close()
        self._map: mmap.mmap | None = None

    def append(self, values: npt.NDArray[N]) -> None:
        """Add the bytes of an array."""
        self._file.write(np.ascontiguousarray(values).data)
        self.size += values.size

    def array(self) -> npt.NDArray[N]:
        """All that was added, mapped; nothing may be added any more."""
        if not self.size:
            return np.empty(0, self.kind)
        if self._map is None:
            self._file.flush()
            self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        return np.frombuffer(self._map, self.kind)

    def forget(self) -> None:
        """Give pages that were read back to the system."""
        if self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        """Close the file; a mapping goes with its last array."""
        self._file.close()


class Spill:
    """Band keys and sketches of all rows, in the order they are added."""

    def __init__(self, work: Path, bands: int, permutations: int) -> None:
        self.bands, self.permutations = bands, permutations
        self.block = max(256, _BLOCK // (8 * bands))
        self._keys = Grown(work / "keys", np.uint64)
        self._sketch = Grown(work / "sketches", np.uint8)
        self._held: list[npt.NDArray[np.uint64]] = []
        self._waiting = 0
        self._blocks: list[int] = []

    def append(self, keys: npt.NDArray[np.uint64], sketch: npt.NDArray[np.uint8]) -> None:
        """Add a batch: keys `[bands, n]`, sketches `[n, permutations]`."""
        self._sketch.append(sketch)
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

    def column(self, band: int) -> npt.NDArray[np.uint64]:
        """The keys of all rows in one band."""
        self._write()
        keys, at, parts = self._keys.array(), 0, []
        for n in self._blocks:
            parts.append(keys[at + band * n : at + (band + 1) * n].copy())
            at += self.bands * n
        self._keys.forget()
        return np.concatenate(parts) if parts else np.empty(0, np.uint64)

    def sketches(self) -> npt.NDArray[np.uint8]:
        """The sketches of all rows, mapped."""
        return self._sketch.array().reshape(-1, self.permutations)

    def forget(self) -> None:
        """Give pages of sketches back to the system."""
        self._sketch.forget()

    def close(self) -> None:
        """Close the files."""
        self._keys.close()
        self._sketch.close()
