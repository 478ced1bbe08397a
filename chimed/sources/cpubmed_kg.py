"""CPubMed-KG: triples (head, relation, tail) with types, joined by the name of their head over the whole file."""

from __future__ import annotations

from typing import Any

import orjson

from chimed.readers import Columns, FirstOf, Grouped, JsonRows, Sniffed
from chimed.records import Entity, Relation
from chimed.source import Row, Skip, Source

_NAMES = (
    "CPubMed-KGv1_1.txt", "CPubMed-KGv1.txt", ("*CPubMed-KG*.txt", "*CPubMed-KG*.tsv"), "triples.json",
    "cpubmed_kg.json",
)  # fmt: skip
_FILES = (FirstOf(_NAMES),)
_HEADERS = ((1, "relation"), (2, "relation"))


def _named(text: Any) -> tuple[str, str]:
    """Name (before the first @@) and type (after the last, or nothing) of an entity."""
    if not isinstance(text, str):
        raise Skip("wrong_shape", f"an entity is {type(text).__name__}, not text")
    name, _, kind = text.partition("@@")
    return name.strip(), kind.rpartition("@@")[2].strip()


def _triple(value: Any) -> tuple[str, str, str, str, str]:
    """Head, its type, relation, tail, its type: of three or five columns or of the two JSON layouts."""
    cells = value if isinstance(value, list) else _cells(value)
    if len(cells) == 5 and all(isinstance(cell, str) for cell in cells):
        return cells[0].strip(), cells[1].strip(), cells[2].strip(), cells[3].strip(), cells[4].strip()
    if len(cells) != 3:
        raise Skip("wrong_shape", f"{len(cells)} items where a triple has 3")
    head, relation, tail = cells
    if not isinstance(relation, str):
        raise Skip("wrong_shape", "the relation is no text")
    return *_named(head), relation.strip(), *_named(tail)


def _cells(value: Any) -> list[Any]:
    """Head, relation and tail of `{"triples": {…}}`, of the triple itself or of `{head: {relation: [tail, id]}}`."""
    inner = value.get("triples", value) if isinstance(value, dict) else None
    if isinstance(inner, dict) and {"head", "relation", "tail"} <= inner.keys():
        return [inner["head"], inner["relation"], inner["tail"]]
    try:
        ((head, ((relation, tail),)),) = ((head, tuple(inner.items())) for head, inner in value.items())
    except (ValueError, AttributeError):
        raise Skip("wrong_shape", "no head, relation and tail") from None
    return [head, relation, tail[0] if isinstance(tail, list) and tail else tail]


def head_of(value: Any) -> str:
    """The name by which triples are joined."""
    if isinstance(value, list) and len(value) == 3 and type(value[0]) is type(value[1]) is type(value[2]) is str:
        return str(value[0].partition("@@")[0].strip())  # as _triple finds it: most rows by far are such
    return _triple(value)[0]


def parse(row: Row) -> Entity:
    """All triples of one head as an entity: relations and tails as first seen, equal ones once."""
    kinds: dict[str, None] = {}
    relations: dict[str, dict[str, None]] = {}
    types: dict[str, str] = {}
    for value in row.value:
        name, kind, relation, tail, tail_kind = _triple(value)
        kinds |= {kind: None} if kind else {}
        relations.setdefault(relation, {})[tail] = None
        if tail_kind:
            types.setdefault(tail, tail_kind)
    if not name:
        raise Skip("empty_question", "the head has no name")
    return Entity(
        name=name,
        type=next(iter(kinds), None),
        relations=tuple(Relation(name=name, values=tuple(tails)) for name, tails in relations.items()),
        metadata={"types": "、".join(kinds), "tail_types": orjson.dumps(types).decode()},
    )


source = Source(
    name="cpubmed_kg",
    home="https://cpubmed.openi.org.cn",
    license="CC-BY-ND-4.0",
    redistributable="no",
    serves=frozenset({"cpt"}),
    kind="entity",
    domain="medical",
    reader=Grouped(
        Sniffed(text=Columns(_FILES, (3, 5), _HEADERS), json=JsonRows(_FILES, nested=True)),
        head_of,
    ),
    parse=parse,
    attribution="CPubMed-KG (Chen et al.)",
    paper={"cpt": ("4384K", "268.4")},
    notice="CC BY-ND 4.0 allows no derived text.",
    obtain="Apply at cpubmed.openi.org.cn for CPubMed-KG v1_1 and put CPubMed-KGv1_1.txt here.",
    row_unit="triple",
)
