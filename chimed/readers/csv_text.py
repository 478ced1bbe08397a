"""The text of a delimited file: its encoding, decided by content, and its lines, the undecodable ones remembered."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from chimed.readers.files import BLOCK, Block, blocks, open_text, too_long

# three Chinese characters in UTF-8 on end; as GB18030 they would be a string of rare characters
_UTF8_RUN = re.compile(rb"(?:[\xe4-\xe9][\x80-\xbf]{2}){3}")

Bad = dict[int, tuple[str, str]]


def decide(path: Path, encodings: Sequence[str]) -> str:
    """The encoding under which the fewest lines of the first megabyte fail to decode; the first one where equal."""
    with open_text(path) as opened:
        sample = opened.read(BLOCK)
    lines = sample.splitlines()
    whole = lines[:-1] if len(sample) == BLOCK and len(lines) > 1 else lines
    return min(encodings, key=lambda encoding: sum(not _decodes(line, encoding) for line in whole))


def text_lines(path: Path, encoding: str, bad: Bad) -> Iterator[list[str]]:
    """Lines with their ends, by blocks; `bad` gets the number of each that cannot be taken, with reason and words."""
    number = 0
    for block in blocks(path):
        lines = _whole(block, encoding)
        if lines is None:
            lines = _one_by_one(block, encoding, number, bad)
        number += len(lines)
        yield lines


def _whole(block: Block, encoding: str) -> list[str] | None:
    """All lines at once where nothing is wrong with any."""
    if block.cut or b"\0" in block.data or (encoding == "gb18030" and _has_utf8(block.data)):
        return None
    try:
        text = block.data.decode(encoding)
    except UnicodeDecodeError:
        return None
    return io.StringIO(text, newline="").readlines()


def _one_by_one(block: Block, encoding: str, number: int, bad: Bad) -> list[str]:
    if block.cut:
        bad[number + 1] = "wrong_shape", too_long(number + 1)
        head = block.data.replace(b'"', b" ").replace(b"\r", b" ")
        return [head.decode(encoding, "surrogateescape") + "\n"]
    lines, offset = [], block.offset
    for line in block.data.splitlines(keepends=True):
        number += 1
        if why := _why(line, offset, encoding):
            bad[number] = "bad_bytes", f"line {number}: {why}"
        offset += len(line)
        lines.append(line.decode(encoding, "surrogateescape"))
    return lines


def _why(line: bytes, offset: int, encoding: str) -> str:
    if 0 in line:
        return f"a NUL byte at byte {offset + line.index(0)}"
    try:
        line.decode(encoding)
    except UnicodeDecodeError as error:
        return f"byte {offset + error.start} does not decode as {encoding}"
    if encoding == "gb18030" and (run := _UTF8_RUN.search(line)) and _decodes(line, "utf-8"):
        return f"UTF-8 text in a GB18030 file at byte {offset + run.start()}"
    return ""


def _has_utf8(data: bytes) -> bool:
    """Whether three Chinese characters in UTF-8 may stand somewhere; as `_UTF8_RUN`, many times faster."""
    import numpy as np

    high = np.frombuffer(data, np.uint8) >> 4
    lead, follow = high == 0xE, (high & 0xC) == 0x8
    one = lead[:-2] & follow[1:-1] & follow[2:]
    return bool((one[:-6] & one[3:-3] & one[6:]).any())


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
