"""The normalised copy that texts are compared by, as one table: code point -> replacement, 0 = dropped.

NFKC and lower case where that is one character; spaces, punctuation, control, format, private and unassigned
characters are dropped; symbols (+ < ≥ ℃ …) stay. Published text is never altered by it. The table depends on the
Unicode version, so it travels with the package (`normalise.npz`) and its hash goes into every manifest.

The upper byte of an entry holds the character's part in numbers (`chimed.dedup.characters`): the same look-up serves both.
"""

from __future__ import annotations

import hashlib
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from chimed.dedup.characters import ROMAN, STARTING, classes

CODES = 0x110000
LOW = np.uint32(0x1FFFFF)
STARTS = 1 << 22
"""Set in entries of characters that may begin a number: a text without them has none."""
_FILE = Path(__file__).with_name("normalise.npz")


class Tables(NamedTuple):
    """`points`: replacement | class << 24; `fold`: the character that stands in number sequences (classes only)."""

    points: npt.NDArray[np.uint32]
    fold: npt.NDArray[np.uint32]
    unicode: str
    sha256: str


def replacement(char: str) -> int:
    """The table's entry for one character, from the running Python's Unicode data."""
    folded = unicodedata.normalize("NFKC", char).lower()
    if unicodedata.category(folded[:1] or "\0")[0] in "ZPC":
        return 0
    return ord(folded) if len(folded) == 1 else ord(char)


def build() -> npt.NDArray[np.uint32]:
    """The whole table of replacements, computed afresh (a second of work)."""
    return np.fromiter((replacement(chr(code)) for code in range(CODES)), np.uint32, CODES)


def pack(path: Path = _FILE) -> None:
    """Write the packaged file from the running Python's Unicode data."""
    points = build()
    differs = np.flatnonzero(points != np.arange(CODES))
    dropped = points == 0
    edges = np.flatnonzero(np.diff(np.concatenate([[False], dropped, [False]]).astype(np.int8)))
    moved = differs[points[differs] != 0]
    marks = classes()
    np.savez_compressed(
        path,
        dropped=edges.astype(np.uint32),
        moved=np.stack([moved.astype(np.uint32), points[moved]]),
        numbers=np.array([(c, bits, fold) for c, (bits, fold) in sorted(marks.items())], np.uint32),
        unicode=np.array(unicodedata.unidata_version),
    )


@cache
def tables() -> Tables:
    """The packaged tables, unpacked."""
    with np.load(_FILE) as packed:
        found: dict[str, Any] = {name: packed[name] for name in packed.files}
    points = np.arange(CODES, dtype=np.uint32)
    for start, stop in found["dropped"].reshape(-1, 2):
        points[start:stop] = 0
    points[found["moved"][0]] = found["moved"][1]
    fold = np.zeros(CODES, np.uint32)
    codes, bits, folded = found["numbers"].T
    points[codes] |= bits << np.uint32(24)
    fold[codes] = folded
    points[codes[((bits & STARTING) > 0) | np.isin(codes, ROMAN)]] |= np.uint32(STARTS)
    digest = hashlib.sha256(found["dropped"].tobytes() + found["moved"].tobytes() + found["numbers"].tobytes())
    return Tables(points, fold, str(found["unicode"]), digest.hexdigest())


def normalised(text: str) -> str:
    """The normalised copy of a text (kernels make it from UTF-8 directly; this is for looking at)."""
    table = tables().points
    return "".join(chr(code) for char in text if (code := int(table[ord(char)] & LOW)))
