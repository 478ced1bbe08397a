"""What the stock Xet client leaves in a `local://` folder, read back: file hashes, segments, chunks, bytes."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

END = b"\xff" * 32


@dataclass(frozen=True)
class XetFile:
    """A stored file: its Xet hash, its sha256, and the (xorb, first chunk, end chunk) it is made of."""

    hash: str
    sha256: str
    segments: tuple[tuple[str, int, int], ...]


def _hex(raw: bytes) -> str:
    return "".join(f"{word:016x}" for word in struct.unpack("<4Q", raw))


def _files(data: bytes) -> Iterator[XetFile]:
    at = 48
    while data[at : at + 32] != END:
        name = data[at : at + 32]
        flags, count = struct.unpack_from("<II", data, at + 32)
        at += 48
        segments = []
        for _ in range(count):
            _, _, first, end = struct.unpack_from("<4I", data, at + 32)
            segments.append((_hex(data[at : at + 32]), first, end))
            at += 48
        at += 48 * count if flags >> 31 else 0
        sha256 = ""
        if flags >> 30 & 1:
            sha256 = _hex(data[at : at + 32])
            at += 48
        yield XetFile(_hex(name), sha256, tuple(segments))


def find(folder: Path, sha256: str) -> XetFile | None:
    """The stored file with this sha256."""
    for shard in folder.rglob("*.mdb"):
        for file in _files(shard.read_bytes()):
            if file.sha256 == sha256:
                return file
    return None


def _chunks(xorb: bytes) -> Iterator[bytes]:
    at = 0
    while at + 8 <= len(xorb) and xorb[at] == 0:
        packed, scheme = int.from_bytes(xorb[at + 1 : at + 4], "little"), xorb[at + 4]
        length = int.from_bytes(xorb[at + 5 : at + 8], "little")
        body = xorb[at + 8 : at + 8 + packed]
        yield body if scheme == 0 else _unpack(body, scheme, length)
        at += 8 + packed


def _unpack(body: bytes, scheme: int, length: int) -> bytes:
    data = pa.decompress(body, length, codec="lz4", asbytes=True)
    if scheme == 1:
        return data
    out, start = bytearray(length), 0
    for lane in range(4):
        size = (length - lane + 3) // 4
        out[lane::4] = data[start : start + size]
        start += size
    return bytes(out)


def rebuild(folder: Path, file: XetFile) -> bytes:
    """The bytes of a stored file."""
    parts = []
    for xorb, first, end in file.segments:
        path = next(folder.rglob(f"default.{xorb}"))
        parts += list(_chunks(path.read_bytes()))[first:end]
    return b"".join(parts)
