"""Questions on diseases with answers from encyclopedias; only the train file is read."""

from __future__ import annotations

from chimed.readers import Divided, FirstOf, JsonRows
from chimed.source import Source
from chimed.sources import huatuo

_rows = JsonRows(
    (FirstOf.these("train_datasets.jsonl", ("pretrain/train_encyclopedia.json", "train_encyclopedia.json")),),
    layouts=(huatuo.QUESTIONS, huatuo.TEXT),
)


def source_with(paraphrases: str = "first") -> Source:
    """`paraphrases`: one record by the first wording of a question, or one for `each`."""
    return Source(
        name="huatuo_encyclopedia",
        home="https://huggingface.co/datasets/FreedomIntelligence/huatuo_encyclopedia_qa",
        license="Apache-2.0",
        redistributable="yes",
        serves=frozenset({"cpt"}),
        kind="question",
        domain="medical",
        reader=Divided(_rows, huatuo.each_paraphrase) if paraphrases == "each" else _rows,
        parse=huatuo.parse,
        attribution="Huatuo-26M (Li et al., 2023)",
        expected=362_420,
        paper={"cpt": ("362K", "620.8")},
        addresses=("hf://datasets/FreedomIntelligence/huatuo_encyclopedia_qa/train_datasets.jsonl",),
        options={"paraphrases": ("first", "each")},
        configure=source_with,
    )


source = source_with()
