"""What an evaluation task is: items, requests to a model, answers, and how a task is found by name.

A task is a class with `name`, `sets`, `requests` and `score`, offered in the entry-point group `qilin_stages.evals`;
built-in tasks come by the same road, so that a second package can add one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal, Protocol

from chimed.errors import UsageError

GROUP = "qilin_stages.evals"
Mode = Literal["sound", "paper"]
Row = dict[str, Any]


@dataclass(frozen=True)
class Item:
    """One evaluation item; `answer` holds letters (choice), `reference` text (free); `options` letter -> text."""

    id: str
    set: str
    stem: str
    options: dict[str, str] = field(default_factory=dict)
    answer: str | None = None
    reference: str | None = None
    subject: str = ""
    split: str = "test"


@dataclass(frozen=True)
class Request:
    """What a model is asked: the final prompt, the same as chat messages, and what to return.

    `letters`: log-probabilities of these letters right after the prompt; empty: a greedy continuation of at most
    `max_new_tokens`, ended by any of `stop`. Requests of one `group` share a prefix worth caching.
    """

    id: str
    prompt: str
    messages: tuple[tuple[str, str], ...] = ()
    group: str = ""
    letters: tuple[str, ...] = ()
    max_new_tokens: int = 64
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What came back; `error` names why nothing did. `note` says what was done to the request (truncated, joint)."""

    id: str
    text: str = ""
    logprobs: dict[str, float] = field(default_factory=dict)
    error: str = ""
    note: str = ""


class Task(Protocol):
    """An evaluation task. `sets` are the folders under --data that it reads."""

    name: str
    sets: tuple[str, ...]

    def items(self, data: Path, limit: int | None) -> list[Item]:
        """The items to ask, in file order."""
        ...

    def requests(self, items: Sequence[Item], data: Path, protocol: Mode) -> list[Request]:
        """What to ask, usually one request per item with the item's id; a second one is `id#word`."""
        ...

    def judge(self, items: Sequence[Item], answers: Mapping[str, Answer], protocol: Mode) -> list[Row]:
        """What is stored of each item: one flat row each, with `id` and `score` (0-100; None: not scored)."""
        ...

    def summary(self, items: Sequence[Item], rows: Sequence[Row], protocol: Mode) -> dict[str, Any]:
        """The figures of the set: name -> value, `name_ci` -> its 95 % interval, the most important first."""
        ...

    def floors(self, items: Sequence[Item], protocol: Mode) -> dict[str, list[Row]]:
        """Judged rows of answers that need no model, by name."""
        ...


def names() -> dict[str, EntryPoint]:
    """All tasks on offer; UsageError if two packages claim one name."""
    found: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda p: (p.name, p.value)):
        other = found.get(point.name)
        if other and other.value != point.value:
            packages = " and ".join(p.dist.name if p.dist else p.value for p in (other, point))
            raise UsageError(f"two packages offer the task '{point.name}': {packages}. Uninstall one.")
        found[point.name] = point
    return found


def load(name: str) -> Task:
    """The task of that name; UsageError if there is none or its package does not load."""
    offered = names()
    if name not in offered:
        raise UsageError(f"-t {name}: no such task. There are: {', '.join(offered)}.")
    try:
        return offered[name].load()()
    except Exception as error:  # noqa: BLE001 - a foreign package may fail in any way; name it and stop
        raise UsageError(f"-t {name}: {offered[name].value} does not load: {type(error).__name__}: {error}") from error
