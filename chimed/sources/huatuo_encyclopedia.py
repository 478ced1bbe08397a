"""Questions on diseases with answers from encyclopedias; only the train file is read."""

from __future__ import annotations

from chimed.readers import FirstOf, JsonRows
from chimed.sources import huatuo

source = huatuo.source(
    JsonRows(
        (FirstOf.these("train_datasets.jsonl", ("pretrain/train_encyclopedia.json", "train_encyclopedia.json")),),
        layouts=(huatuo.QUESTIONS, huatuo.TEXT),
    ),
    name="huatuo_encyclopedia",
    home="https://huggingface.co/datasets/FreedomIntelligence/huatuo_encyclopedia_qa",
    expected=362_420,
    paper={"cpt": ("362K", "620.8")},
    addresses=("hf://datasets/FreedomIntelligence/huatuo_encyclopedia_qa/train_datasets.jsonl",),
)
