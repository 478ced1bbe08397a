"""Rows as token ids with labels, cut as the paper cuts them: 256 tokens of source and 256 of target per turn.

A source's budget counts its template text; the end of the content is what goes. A target's budget counts its end token,
which is always kept. A dialogue stops before the turn that would pass the whole length. Labels are -100 where nothing
is learnt; the first token of a row never is (nothing precedes it).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qilin_stages.data.template import Piece, Tokenizer

IGNORED = -100
Messages = Sequence[dict[str, str]]


@dataclass(frozen=True)
class Cut:
    """One tokenised row; `lost` tokens of content were cut away, `dropped` whole turns left out."""

    ids: list[int]
    labels: list[int]
    lost: int = 0
    dropped: int = 0


@dataclass(frozen=True)
class CutPair:
    """A tokenised preference: prompt, better reply, worse reply."""

    prompt: list[int]
    chosen: list[int]
    rejected: list[int]
    lost: int = 0


def _turns(roles: Sequence[str]) -> list[int]:
    """The turn each message belongs to: a turn ends with its assistant's message."""
    turns, turn = [], 0
    for role in roles:
        turns.append(turn)
        turn += role == "assistant"
    return turns


def _grouped(pieces: list[Piece], roles: tuple[str, ...]) -> list[tuple[list[Piece], list[Piece]]]:
    """Per turn its source pieces and its learnt pieces; text between turns opens the next, text after the last goes."""
    turns = _turns(roles)
    grouped: list[tuple[list[Piece], list[Piece]]] = [([], []) for _ in range(turns[-1] + 1)]
    current = 0
    for piece in pieces:
        if piece.message is not None:
            current = turns[piece.message]
        elif grouped[current][1] and not piece.learnt:
            current += 1
        if current < len(grouped):
            grouped[current][piece.learnt].append(piece)
    return grouped


def _fixed(pieces: list[Piece]) -> int:
    return sum(len(piece.ids) for piece in pieces)


def _fill(pieces: list[Piece], contents: list[list[int]], budget: int) -> tuple[list[int], list[int], int]:
    """Ids and labels of pieces within a budget; earlier contents leave room for half of it to the last."""
    room, lost = max(0, budget - _fixed(pieces)), 0
    places = [piece.message for piece in pieces if piece.message is not None]
    ids: list[int] = []
    labels: list[int] = []
    for piece in pieces:
        part = list(piece.ids)
        if piece.message is not None:
            last = piece.message == places[-1]
            need = 0 if last else min(len(contents[places[-1]]), room // 2)
            part = contents[piece.message][: room - need]
            lost += len(contents[piece.message]) - len(part)
            room -= len(part)
        ids += part
        labels += part if piece.learnt else [IGNORED] * len(part)
    return ids, labels, lost


def cut_dialogue(tok: Tokenizer, roles: tuple[str, ...], contents: list[list[int]], source: int, target: int,
                 length: int) -> Cut:  # fmt: skip
    """One conversation cut per turn and as a whole (`length`), loss on every answer and its end token."""
    ids: list[int] = []
    labels: list[int] = []
    lost = 0
    grouped = _grouped(tok.pieces(roles), roles)
    for turn, (before, answer) in enumerate(grouped):
        first, first_labels, cut = _fill(before, contents, source)
        second, second_labels, cut_too = _fill(answer, contents, target)
        if turn and len(ids) + len(first) + len(second) > length:
            return Cut(ids, labels, lost, len(grouped) - turn)
        ids += first + second
        labels += first_labels + second_labels
        lost += cut + cut_too
    labels[:1] = [IGNORED]
    return Cut(ids, labels, lost)


def cut_pair(tok: Tokenizer, roles: tuple[str, ...], contents: list[list[int]], chosen: list[int], rejected: list[int],
             source: int, target: int) -> CutPair:  # fmt: skip
    """A prompt of at most `source` tokens (the oldest turns go first), two replies of at most `target`."""
    start = 0
    while True:
        kept = _without_oldest(roles, start)
        kept_roles = tuple(roles[i] for i in kept)
        pieces = tok.pieces(kept_roles, reply=True)
        need = _fixed(pieces) + sum(len(contents[i]) for i in kept)
        if need <= source or sum(role == "user" for role in kept_roles) == 1:
            break
        start += 1
    prompt, _, lost = _fill(pieces, [contents[i] for i in kept], source)
    lost += sum(len(content) for i, content in enumerate(contents) if i not in kept)
    end = _end(tok)
    room = target - len(end)
    lost += max(0, len(chosen) - room) + max(0, len(rejected) - room)
    return CutPair(prompt, chosen[:room] + end, rejected[:room] + end, lost)


def _without_oldest(roles: tuple[str, ...], turns: int) -> list[int]:
    """Indices of the messages left when the oldest `turns` turns go; a system message stays."""
    of = _turns(roles)
    return [i for i, role in enumerate(roles) if role == "system" or of[i] >= turns]


def _end(tok: Tokenizer) -> list[int]:
    """What is learnt after an answer: the template's end of turn."""
    pieces = tok.pieces(("user", "assistant"))
    place = next(i for i, piece in enumerate(pieces) if piece.message == 1)
    return [token for piece in pieces[place + 1 :] if piece.learnt for token in piece.ids]
