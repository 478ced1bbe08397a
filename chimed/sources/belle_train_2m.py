"""Two million generated instructions in Chinese (BELLE)."""

from __future__ import annotations

from chimed.readers import JsonRows
from chimed.source import Source
from chimed.sources import belle

source = Source(
    name="belle_train_2m",
    home="https://huggingface.co/datasets/BelleGroup/train_2M_CN",
    license=belle.LICENSE,
    redistributable="GPL",
    serves=frozenset({"sft"}),
    kind="instruction",
    domain="general",
    reader=JsonRows(("train_2M_CN.json",), layouts=belle.LAYOUTS),
    parse=belle.parse,
    attribution=belle.ATTRIBUTION,
    expected=2_000_000,
    paper={"sft": ("2000K", "1925")},
    notice=belle.NOTICE,
    addresses=("hf://datasets/BelleGroup/train_2M_CN/train_2M_CN.json",),
)
