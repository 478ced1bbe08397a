"""Which files a source has, whether they can be read at all, and their lines as bytes."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar, NamedTuple

from chimed.readers.telling import was_read

MAX_ROW = 64 * 2**20
"""Bytes of the longest row that is taken; a longer one is lost as `wrong_shape`."""

MAX_RAW = 64 * 2**10
"""Bytes kept of a row that was too long to take."""

BLOCK = 2**20
BOM = b"\xef\xbb\xbf"
ZIP = b"PK\x03\x04"
_MAGIC = {
    ZIP: "a zip archive or workbook", b"\x1f\x8b": "a gzip file", b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file", b"\x28\xb5\x2f\xfd": "a zstd file", b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a rar archive", b"PAR1": "a Parquet file", b"%PDF": "a PDF",
    b"\xff\xfe": "UTF-16 text", b"\xfe\xff": "UTF-16 text", b"\x00\x00\xfe\xff": "UTF-32 text",
    b"version https://git-lfs": "a Git LFS pointer instead of the data",
}  # fmt: skip
_PAGE = re.compile(rb"\s*<(?:!doctype html|html)", re.I)
_CACHED = re.compile(r"/(?:datasets|models)--[^/]+/(?:blobs|snapshots)/")


@dataclass(frozen=True, slots=True)
class FirstOf:
    """Alternatives in order of preference, each one pattern or several: the first that matches any file is read."""

    alternatives: tuple[str | tuple[str, ...], ...]

    @classmethod
    def these(cls, *alternatives: str | tuple[str, ...]) -> FirstOf:
        """`FirstOf.these("data/train.csv", ("a.json", "b.json"))`."""
        return cls(alternatives)


Patterns = tuple[str | FirstOf, ...]


def _matches(folder: Path, patterns: Iterable[str]) -> list[str]:
    found = [name for pattern in patterns for name in glob.glob(pattern, root_dir=folder)]
    return sorted(Path(name).as_posix() for name in set(found))


def find(folder: Path, patterns: Patterns, leave_out: Sequence[str] = ()) -> list[str]:
    """Files below `folder` that the patterns name, in the patterns' order, each pattern's sorted; relative, posix."""
    found: dict[str, None] = {}
    for pattern in patterns:
        for alternative in pattern.alternatives if isinstance(pattern, FirstOf) else (pattern,):
            names = _matches(folder, (alternative,) if isinstance(alternative, str) else alternative)
            found |= dict.fromkeys(name for name in names if Path(name).name not in leave_out)
            if names and isinstance(pattern, FirstOf):
                break
    return list(found)


def fault_of(folder: Path, file: str, root: Path | None, *, binary: bytes | None = None) -> str | None:
    """Why a file cannot be read at all, in words, or None: link, kind, permission, emptiness (design ruling 6).

    `root` is what the user gave as `--from`: links may lead inside it or into a Hugging Face cache (ruling 7).
    `binary` is how a file begins that is no text and yet welcome.
    """
    path = folder / file
    if linked := _foreign_link(path, root or folder):
        return f"{file}: {linked}"
    try:
        kind = os.stat(path).st_mode
        if stat.S_ISDIR(kind):
            return f"{file}: a folder stands where a file should be. Put the file itself there."
        if not stat.S_ISREG(kind):
            return f"{file}: not a regular file. Put the file itself there."
        with open(path, "rb") as opened:
            head = opened.read(4096)
    except OSError as error:
        return f"{file}: {error.strerror}. Make the file readable, or download it again."
    return _fault_of_head(file, head, binary)


def _foreign_link(path: Path, root: Path) -> str | None:
    real = Path(os.path.realpath(path))
    home = Path(os.path.realpath(root))
    if home in real.parents or _CACHED.search(real.as_posix()):
        return None
    return f"a link to {real}, outside of {home}. Copy the file there, or give its folder as --from."


def _fault_of_head(file: str, head: bytes, binary: bytes | None) -> str | None:
    if not head.removeprefix(BOM).strip() and len(head) < 4096:
        return f"{file}: the file is empty. Download it again."
    if binary and head.startswith(binary):
        return None
    for magic, words in _MAGIC.items():
        if head.startswith(magic):
            return f"{file}: {words}, not text in UTF-8 or GB18030. Unpack or convert it first."
    if head.count(0) > len(head) // 8:
        return f"{file}: binary data or UTF-16 text. Convert it to UTF-8 first."
    if _PAGE.match(head):
        return f"{file}: a web page (a login or error page was saved). Download the file again."
    return None


@dataclass(frozen=True, slots=True)
class FileReader:
    """What readers of files share: `files` by their patterns, and which of those cannot be read."""

    files: Patterns
    _begins: ClassVar[bytes | None] = None  # how a file begins that is no text and yet welcome

    def find(self, folder: Path) -> list[str]:
        """Files of this source in `folder`."""
        return find(folder, self.files)

    def faults(self, folder: Path, files: Sequence[str], root: Path | None = None) -> list[str]:
        """Files that cannot be read at all or have another layout, in words."""
        found = []
        for file in files:
            fault = fault_of(folder, file, root, binary=self._begins)
            misfit = None if fault else self._misfit(folder / file)
            found += [fault] if fault else [f"{file}: {misfit}"] if misfit else []
        return found

    def _misfit(self, path: Path) -> str | None:
        """Why a file that can be read is none of this reader's, in words; None where it is."""
        return None


class Line(NamedTuple):
    """A physical line with its end: number (1-based), byte offset in the file; `cut` when it exceeded MAX_ROW."""

    number: int
    offset: int
    data: bytes
    cut: bool


def open_text(path: Path) -> BinaryIO:
    """Open for reading bytes, after the byte order mark of UTF-8 if there is one."""
    opened = path.open("rb")
    if opened.read(3) != BOM:
        opened.seek(0)
    return opened


class Block(NamedTuple):
    """Whole lines from an offset on; `cut`: the head of one line that exceeded MAX_ROW."""

    offset: int
    data: bytes
    cut: bool


def blocks(path: Path) -> Iterator[Block]:
    """A file as blocks of whole lines, each about a megabyte; of a line over MAX_ROW only the first MAX_RAW bytes."""
    with open_text(path) as opened:
        offset, rest = opened.tell(), b""
        while data := opened.read(BLOCK):
            was_read(path, opened.tell())
            end = data.rfind(b"\n") + 1
            if not end and len(rest) + len(data) > MAX_ROW:
                yield Block(offset, rest[:MAX_RAW], cut=True)
                rest = _after_line(opened)
                offset = opened.tell() - len(rest)
            elif not end:
                rest += data
            else:
                yield Block(offset, rest + data[:end], cut=False)
                offset += len(rest) + end
                rest = data[end:]
        if rest:
            yield Block(offset, rest, cut=False)


def _after_line(opened: BinaryIO) -> bytes:
    """What a block holds after the end of the line at hand; nothing at the end of the file."""
    while data := opened.read(BLOCK):
        if (end := data.find(b"\n")) >= 0:
            return data[end + 1 :]
    return b""


def lines(path: Path) -> Iterator[Line]:
    """The lines of a file, ended by LF; of a line over MAX_ROW only the first MAX_RAW bytes."""
    number = 1
    for block in blocks(path):
        for line in lines_of(block, number):
            yield line
            number += 1


def lines_of(block: Block, number: int) -> Iterator[Line]:
    """The lines of a block, the first of which has this number."""
    offset, data, cut = block
    for line in [data] if cut else data.splitlines(keepends=True) if b"\r" not in data else _by_lf(data):
        yield Line(number, offset, line, cut)
        number += 1
        offset += len(line)


def _by_lf(data: bytes) -> list[bytes]:
    """Lines ended by LF alone: a CR inside a line stays there."""
    parts = data.split(b"\n")
    whole = [part + b"\n" for part in parts[:-1]]
    return [*whole, parts[-1]] if parts[-1] else whole


def decoded(line: Line, encoding: str = "utf-8") -> tuple[str, str]:
    """The text of a line and, where it cannot be taken, why in words (else an empty string)."""
    try:
        text = line.data.decode(encoding)
    except UnicodeDecodeError as error:
        return "", f"line {line.number}: byte {line.offset + error.start} does not decode as {encoding}"
    if "\0" in text:
        return "", f"line {line.number}: a NUL byte at byte {line.offset + line.data.index(0)}"
    return text, ""


def too_long(number: int) -> str:
    """Words for a row over MAX_ROW."""
    return f"line {number}: the row is longer than {MAX_ROW // 2**20} MiB"
