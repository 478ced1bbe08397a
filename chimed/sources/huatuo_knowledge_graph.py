"""Templated questions with answers out of three knowledge graphs (CPubMed, 39Health, Xywy); train file only."""

from __future__ import annotations

from chimed.readers import Divided, JsonRows
from chimed.source import Source
from chimed.sources import huatuo

_rows = JsonRows(
    ("train_datasets.jsonl",),
    layouts=(huatuo.QUESTIONS,),
)


def source_with(paraphrases: str = "first") -> Source:
    """`paraphrases`: one record by the first wording of a question, or one for `each`."""
    return Source(
        name="huatuo_knowledge_graph",
        home="https://huggingface.co/datasets/FreedomIntelligence/huatuo_knowledge_graph_qa",
        license="Apache-2.0",
        redistributable="yes",
        serves=frozenset({"cpt"}),
        kind="question",
        domain="medical",
        reader=Divided(_rows, huatuo.each_paraphrase) if paraphrases == "each" else _rows,
        parse=huatuo.parse,
        attribution="Huatuo-26M (Li et al., 2023)",
        expected=796_444,
        paper={"cpt": ("796K", "151.0")},
        addresses=("hf://datasets/FreedomIntelligence/huatuo_knowledge_graph_qa/train_datasets.jsonl",),
        options={"paraphrases": ("first", "each")},
        configure=source_with,
    )


source = source_with()
