"""Diseases of 39.net as a knowledge graph: a GB18030 table of two crawls glued together."""

from __future__ import annotations

import re
from typing import Any

from chimed.readers import Delimited, FirstOf, Grouped
from chimed.records import Entity, Relation
from chimed.source import Row, Skip, Source

TEXTS = {
    "age": "多发人群", "infection": "传染性", "insurance": "医保", "period": "治疗周期", "rate": "治愈率",
    "money": "治疗费用",
}  # fmt: skip
LISTS = {
    "alias": "别名", "part": "发病部位", "department": "就诊科室", "checklist": "检查", "symptom": "症状",
    "complication": "并发症", "treatment": "治疗", "drug": "药品",
}  # fmt: skip
MORE, NOTHING, CUT = "[详细]", "暂无相关资料", "..."

_ALIAS = re.compile(r"[，、；,;]|(?<!\.)\.(?!\.)")
_rows = Delimited(
    (FirstOf.these("data/disease.csv", "disease.csv"),),
    columns=(frozenset({"name", *TEXTS, *LISTS}),),
    encodings=("gb18030",),
)


def parse(row: Row) -> Entity:
    """A disease with its columns as relations; of several rows (option `merge`) the first filled value counts."""
    rows = row.value if isinstance(row.value, list) else [row.value]
    for value in rows:
        _check(value)
    relations = []
    for column, title in {**LISTS, **TEXTS}.items():
        filled = (values for value in rows if (values := _values(column, value[column])))
        if values := next(filled, ()):
            relations.append(Relation(name=title, values=values))
    more = any(value[column].split(" ")[-1].strip() == MORE for value in rows for column in LISTS)
    return Entity(
        name=name_of(rows[0]),
        type="疾病",
        relations=tuple(relations),
        repairs=(
            *(("removed_label",) if more else ()),
            *(("stripped",) if name_of(rows[0]) != rows[0]["name"] else ()),
        ),
    )


def name_of(value: Any) -> str:
    """The name of a disease without outer white space: by it rows are united."""
    return str(value["name"]).strip()


def joining_name(value: Any) -> str:
    """The name to unite rows by, of sound rows only."""
    _check(value)
    return name_of(value)


def _check(value: dict[str, str]) -> None:
    if any(cell.strip() for column, cell in value.items() if column.isdigit()):
        raise Skip("shifted_columns", "a column without a name is filled")
    if not value["name"].strip():
        raise Skip("empty_question", "name is empty")


def _values(column: str, cell: str) -> tuple[str, ...]:
    text = cell.strip()
    if not text or text == NOTHING:
        return ()
    if column in TEXTS:
        return (text,)
    items = _ALIAS.split(text) if column == "alias" else text.split()
    if items[-1] == MORE:
        del items[-1]
    return tuple(item.strip() for item in items if item.strip() and not item.strip().endswith(CUT))


def source_with(merge: str = "no") -> Source:
    """`merge`: one record for each row (the paper's 14K), or one for each name (`name`)."""
    return Source(
        name="health39_kg",
        home="https://github.com/zhihao-chen/QASystemOnMedicalGraph",
        license="none stated",
        redistributable="no",
        serves=frozenset({"cpt"}),
        kind="entity",
        domain="medical",
        reader=Grouped(_rows, joining_name) if merge == "name" else _rows,
        parse=parse,
        attribution="QASystemOnMedicalGraph (Chen Zhihao), crawled from 39.net",
        expected=14_336,
        paper={"cpt": ("14K", "8.1")},
        addresses=("https://raw.githubusercontent.com/zhihao-chen/QASystemOnMedicalGraph/HEAD/data/disease.csv",),
        options={"merge": ("no", "name")},
        configure=source_with,
    )


source = source_with()
