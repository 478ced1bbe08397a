"""Packing token rows into trainer rows: whole documents by best fit, long ones split, or the classic endless stream."""

from __future__ import annotations

import bisect
from collections import defaultdict
from typing import Any, Literal

Packing = Literal["bfd_split", "wrapped", "none"]


def spans(lengths: list[int], size: int, packing: Packing) -> list[list[tuple[int, int, int]]]:
    """Trainer rows as lists of (row, start, stop): which tokens of which row, in order. No token is lost.

    `bfd_split`: pieces of at most `size`, packed by best-fit decreasing (Ding et al. 2024, "Fewer Truncations").
    `wrapped`: one stream cut every `size` tokens. `none`: each row alone.
    """
    if packing == "none":
        return [[(i, 0, n)] for i, n in enumerate(lengths) if n]
    if packing == "wrapped":
        return _wrapped(lengths, size)
    pieces = [(i, start, min(start + size, n)) for i, n in enumerate(lengths) for start in range(0, n, size)]
    return _best_fit(pieces, size)


def _wrapped(lengths: list[int], size: int) -> list[list[tuple[int, int, int]]]:
    rows: list[list[tuple[int, int, int]]] = [[]]
    room = size
    for i, n in enumerate(lengths):
        start = 0
        while start < n:
            take = min(room, n - start)
            rows[-1].append((i, start, start + take))
            start, room = start + take, room - take
            if not room:
                rows.append([])
                room = size
    return rows if rows[-1] else rows[:-1]


def _best_fit(pieces: list[tuple[int, int, int]], size: int) -> list[list[tuple[int, int, int]]]:
    """Longest first, each into the fullest row that still holds it; rows stand in the order of their first piece."""
    rows: list[list[tuple[int, int, int]]] = []
    rooms: list[int] = []
    open_rows: dict[int, list[int]] = defaultdict(list)
    for piece in sorted(pieces, key=lambda p: p[1] - p[2]):
        length = piece[2] - piece[1]
        at = bisect.bisect_left(rooms, length)
        if at == len(rooms):
            rows.append([])
            row, room = len(rows) - 1, size
        else:
            room = rooms[at]
            row = open_rows[room].pop()
            if not open_rows[room]:
                rooms.pop(at)
        rows[row].append(piece)
        _open(rooms, open_rows, room - length, row)
    for row_pieces in rows:
        row_pieces.sort()
    return sorted(rows)


def _open(rooms: list[int], open_rows: dict[int, list[int]], room: int, row: int) -> None:
    if room <= 0:
        return
    if not open_rows[room]:
        bisect.insort(rooms, room)
    open_rows[room].append(row)


def gather(values: Any, offsets: Any, rows: list[list[tuple[int, int, int]]]) -> tuple[Any, Any, Any]:
    """Flat values of the packed rows, row offsets, and the lengths of the pieces of each row (flat).

    `values` and `offsets` are numpy arrays of an Arrow list column; one indexed copy, no Python per token.
    """
    import numpy as np

    flat = [piece for row in rows for piece in row]
    if not flat:
        return values[:0], np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int32)
    table = np.asarray(flat, dtype=np.int64)
    lengths = table[:, 2] - table[:, 1]
    starts = offsets[table[:, 0]] + table[:, 1]
    ends = np.cumsum(lengths)
    index = np.arange(ends[-1]) + np.repeat(starts - (ends - lengths), lengths)
    pieces_per_row = np.asarray([len(row) for row in rows], dtype=np.int64)
    row_ends = ends[np.cumsum(pieces_per_row) - 1]
    return values[index], np.concatenate([[0], row_ends]), lengths.astype(np.int32)


def longest_document(rows: Any) -> int:
    """Tokens of the longest document: a piece of a packed row, or a prompt with its longer reply; else 0."""
    import pyarrow.compute as pc

    if "lengths" in rows.column_names:
        return int(pc.max(pc.list_flatten(rows.data.column("lengths"))).as_py())
    if "prompt" not in rows.column_names:
        return 0
    prompt, *replies = (pc.list_value_length(rows.data.column(name)) for name in ("prompt", "chosen", "rejected"))
    return int(pc.max(pc.add(prompt, pc.max_element_wise(*replies))).as_py())
