"""About one million generated instructions in Chinese (BELLE)."""

from __future__ import annotations

from chimed.readers import FirstOf, JsonRows
from chimed.source import Source
from chimed.sources import belle

source = Source(
    name="belle_train_1m",
    home="https://huggingface.co/datasets/BelleGroup/train_1M_CN",
    license=belle.LICENSE,
    redistributable="GPL",
    serves=frozenset({"sft"}),
    kind="instruction",
    domain="general",
    reader=JsonRows((FirstOf.these("Belle_open_source_1M.json", "Belle.train.json"),), layouts=belle.LAYOUTS),
    parse=belle.parse,
    attribution=belle.ATTRIBUTION,
    expected=917_000,
    paper={"sft": ("917K", "503.6")},
    notice=belle.NOTICE,
    addresses=("hf://datasets/BelleGroup/train_1M_CN/Belle_open_source_1M.json",),
)
