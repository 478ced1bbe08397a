"""Diseases of xywy.com as a knowledge graph, one JSON object each."""

from __future__ import annotations

from typing import Any

from chimed.readers import FirstOf, JsonRows
from chimed.records import Entity, Relation
from chimed.source import Row, Skip, Source
from chimed.sources.turns import identity

RELATIONS = {
    "desc": "简介", "category": "分类", "cause": "病因", "symptom": "症状", "get_way": "传播方式",
    "get_prob": "患病比例",
    "easy_get": "易感人群", "prevent": "预防", "check": "检查", "acompany": "并发症", "cure_department": "就诊科室",
    "cure_way": "治疗方式", "cure_lasttime": "治疗周期", "cured_prob": "治愈率", "common_drug": "常用药品",
    "recommand_drug": "推荐药品", "drug_detail": "药品明细", "do_eat": "宜吃", "not_eat": "忌吃",
    "recommand_eat": "推荐食谱",
    "yibao_status": "医保", "cost_money": "治疗费用",
}  # fmt: skip


def parse(row: Row) -> Entity:
    """A disease with its fields as relations; any field but `name` may be missing, a text may stand for a list."""
    value = row.value
    if not isinstance(value, dict):
        raise Skip("wrong_shape", "not an object")
    name = value.get("name")
    if not isinstance(name, str) or not name.strip():
        raise Skip("empty_question", "name is missing")
    relations = ((title, _values(key, value.get(key))) for key, title in RELATIONS.items())
    mark = value.get("_id")
    return Entity(
        name=name.strip(),
        type=identity(value.get("label")),
        relations=tuple(Relation(name=title, values=values) for title, values in relations if values),
        upstream_id=identity(mark.get("$oid") if isinstance(mark, dict) else mark),
    )


def _values(key: str, given: Any) -> tuple[str, ...]:
    listed = given if isinstance(given, list) else [given]
    if any(item is not None and not isinstance(item, str) for item in listed):
        raise Skip("wrong_shape", f"{key} holds something else than text")
    return tuple(item.strip() for item in listed if item and item.strip())


source = Source(
    name="xywy_kg",
    home="https://github.com/liuhuanyong/QASystemOnMedicalKG",
    license="none stated",
    redistributable="no",
    serves=frozenset({"cpt"}),
    kind="entity",
    domain="medical",
    reader=JsonRows((FirstOf.these("data/medical.json", "medical.json", "entities.json"),), (frozenset({"name"}),)),
    parse=parse,
    attribution="QASystemOnMedicalKG (Liu Huanyong), crawled from xywy.com",
    expected=8_808,
    paper={"cpt": ("8K", "41.7")},
    addresses=("https://raw.githubusercontent.com/liuhuanyong/QASystemOnMedicalKG/HEAD/data/medical.json",),
)
