"""3.6 million generated conversations in Chinese, single and multi turn (BELLE)."""

from __future__ import annotations

from chimed.readers import JsonRows
from chimed.source import Source
from chimed.sources import belle

source = Source(
    name="belle_train_3_5m",
    home="https://huggingface.co/datasets/BelleGroup/train_3.5M_CN",
    license=belle.LICENSE,
    redistributable="GPL",
    serves=frozenset({"sft"}),
    kind="instruction",
    domain="general",
    reader=JsonRows(("train_3.5M_CN.json",), layouts=belle.LAYOUTS),
    parse=belle.parse,
    attribution=belle.ATTRIBUTION,
    expected=3_606_402,
    paper={"sft": ("3606K", "4551")},
    notice=belle.NOTICE,
    addresses=("hf://datasets/BelleGroup/train_3.5M_CN/train_3.5M_CN.json",),
)
