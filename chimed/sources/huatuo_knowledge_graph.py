"""Templated questions with answers out of three knowledge graphs (CPubMed, 39Health, Xywy); train file only."""

from __future__ import annotations

from chimed.readers import JsonRows
from chimed.sources import huatuo

source = huatuo.source(
    JsonRows(("train_datasets.jsonl",), layouts=(huatuo.QUESTIONS,)),
    name="huatuo_knowledge_graph",
    home="https://huggingface.co/datasets/FreedomIntelligence/huatuo_knowledge_graph_qa",
    expected=796_444,
    paper={"cpt": ("796K", "151.0")},
    addresses=("hf://datasets/FreedomIntelligence/huatuo_knowledge_graph_qa/train_datasets.jsonl",),
)
