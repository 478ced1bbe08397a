"""A SentencePiece BPE model (`tokenizer.model`) as a fast tokenizer, read without the sentencepiece package.

The file is a protocol buffer (sentencepiece_model.proto): field 1 repeats pieces (1 text, 2 score, 3 type), field 3 is
the normaliser (3 add_dummy_prefix). Merges follow from the pieces' scores, as SentencePiece's own BPE takes the
neighbours whose joint piece has the highest score.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chimed.errors import DataError

UNKNOWN, CONTROL = 2, 3


@dataclass(frozen=True)
class Piece:
    """A word of the vocabulary; `kind` as in the proto (1 normal, 2 unknown, 3 control, 4 user, 6 byte)."""

    text: str
    score: float
    kind: int


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Fields of a protocol buffer message: number, and its value (int or bytes)."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == 2:
            size, at = _varint(data, at)
        else:
            size = {1: 8, 5: 4}[wire]
        yield number, data[at : at + size]
        at += size


def read(path: Path) -> tuple[list[Piece], bool]:
    """Pieces in order of their ids, and whether a space is put before every text.

    Raises DataError where the file is no SentencePiece model.
    """
    pieces, prefix = [], True
    try:
        for number, value in fields(path.read_bytes()):
            if number == 1:
                piece = dict(fields(value))
                score = struct.unpack("<f", piece[2])[0] if 2 in piece else 0.0
                pieces.append(Piece(piece[1].decode(), score, piece.get(3, 1)))
            elif number == 3:
                prefix = bool(dict(fields(value)).get(3, 1))
    except (IndexError, KeyError, UnicodeDecodeError, struct.error, TypeError):
        raise DataError(f"{path}: not a SentencePiece model.") from None
    return pieces, prefix


def merges(pieces: list[Piece]) -> list[tuple[str, str]]:
    """Pairs to merge, best first: by the joint piece's score, then by the ids of the parts."""
    ids = {piece.text: i for i, piece in enumerate(pieces)}
    found = []
    for piece in pieces:
        for cut in range(1, len(piece.text)):
            left, right = piece.text[:cut], piece.text[cut:]
            if piece.kind == 1 and left in ids and right in ids:
                found.append((-piece.score, ids[left], ids[right], left, right))
    return [(left, right) for *_, left, right in sorted(found)]


def build(pieces: list[Piece], *, prefix: bool) -> Any:
    """The fast tokenizer."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers

    unknown = next((piece.text for piece in pieces if piece.kind == UNKNOWN), None)
    raw = Tokenizer(models.BPE(
        {piece.text: i for i, piece in enumerate(pieces)}, merges(pieces), unk_token=unknown, fuse_unk=True,
        byte_fallback=True,
    ))  # fmt: skip
    steps = [normalizers.Prepend("▁")] if prefix else []
    raw.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", "▁")])
    strip = [decoders.Strip(" ", 1, 0)] if prefix else []
    raw.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )  # fmt: skip
    special = [piece.text for piece in pieces if piece.kind in {UNKNOWN, CONTROL}]
    raw.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in special])
    reserved = [piece.text for piece in pieces if piece.text.startswith("<reserved_")]
    raw.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in reserved])
    return raw


def convert(source: Path, out: Path) -> None:
    """Write tokenizer.json and tokenizer_config.json from tokenizer.model; `<unk>` becomes the pad token."""
    path = source / "tokenizer.model"
    if not path.is_file():
        raise DataError(f"{source}: no tokenizer.model.")
    pieces, prefix = read(path)
    build(pieces, prefix=prefix).save(str(out / "tokenizer.json"))
    control = [piece.text for piece in pieces if piece.kind == CONTROL]
    unknown = next((piece.text for piece in pieces if piece.kind == UNKNOWN), None)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": _named(control, "<s>"),
        "eos_token": _named(control, "</s>"), "unk_token": unknown, "pad_token": unknown,
        "clean_up_tokenization_spaces": False, "model_max_length": 4096,
    }  # fmt: skip
    (out / "tokenizer_config.json").write_text(json.dumps(config, ensure_ascii=False, indent=2), encoding="utf-8")


def _named(control: list[str], name: str) -> str | None:
    return name if name in control else None
