"""Asking a model so that a killed run goes on: answers are kept in parts, each written whole or not at all.

The parts belong to a key over model, task, protocol and every request; another key starts anew. Which requests share a
part (and so a batch) depends on the requests alone, so an interrupted run ends with the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

from qilin_stages.evals.models import Model
from qilin_stages.evals.task import Answer, Request

PART = 128
VERSION = 1
Report = Callable[[int, int], None]


def ask(model: Model, requests: Sequence[Request], folder: Path, report: Report) -> dict[str, Answer]:
    """Answers by request id; parts that are already in `folder` are read, those with failed requests asked again."""
    key = _key(model, requests)
    mark = folder / "key.json"
    if not mark.is_file() or json.loads(mark.read_text(encoding="utf-8")).get("key") != key:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _write(mark, json.dumps({"key": key}) + "\n")
    found: dict[str, Answer] = {}
    for number, part in enumerate(parts(requests)):
        report(len(found), len(requests))
        file = folder / f"part-{number:05d}.json"
        answers = _read(file)
        if answers is None or any(a.error for a in answers):
            answers = model.answer(part)
            _write(file, "".join(json.dumps(asdict(a), ensure_ascii=False, sort_keys=True) + "\n" for a in answers))
        found |= {a.id: a for a in answers}
    report(len(requests), len(requests))
    return found


def parts(requests: Sequence[Request]) -> list[list[Request]]:
    """Requests in the parts they are asked in: a group's letters together, generations by length."""
    out = []
    letters = sorted((r for r in requests if r.letters), key=lambda r: (r.group, r.letters))
    for _, same in groupby(letters, key=lambda r: (r.group, r.letters)):
        out += _cut(list(same), 4 * PART)
    return out + _cut(sorted((r for r in requests if not r.letters), key=lambda r: (len(r.prompt), r.id)), PART)


def _cut(requests: list[Request], size: int) -> list[list[Request]]:
    return [requests[i : i + size] for i in range(0, len(requests), size)]


def _key(model: Model, requests: Sequence[Request]) -> str:
    digest = hashlib.sha256(f"{VERSION} {model.identity}".encode())
    for request in requests:
        digest.update(json.dumps(asdict(request), ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _read(file: Path) -> list[Answer] | None:
    if not file.is_file():
        return None
    return [Answer(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]


def _write(file: Path, text: str) -> None:
    part = file.with_name(file.name + ".part")
    part.write_bytes(text.encode("utf-8", "replace"))
    os.replace(part, file)
