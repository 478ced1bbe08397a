"""The authors' own combined release, for comparison: `cpt.txt`, `sft.jsonl`, `dpo.json`; never to be published."""

from __future__ import annotations

from chimed.readers import JsonRows, TextLines, Together
from chimed.records import Instruction, Passage, Preference
from chimed.source import Row, Source
from chimed.sources import medicalgpt_reward, turns

_REWARD = frozenset({"question", "response_chosen", "response_rejected"})


def parse(row: Row) -> Passage | Instruction | Preference:
    """A line of `cpt.txt` becomes a passage, one of `sft.jsonl` an instruction, a row of `dpo.json` a preference."""
    if row.file == "cpt.txt":
        text = row.value.strip()
        return Passage(text=text, repairs=("stripped",) if text != row.value else ())
    if row.file == "dpo.json":
        return medicalgpt_reward.parse(row)
    return turns.instruction(turns.of_conversation(row.value))


source = Source(
    name="chimed_release",
    home="https://huggingface.co/datasets/williamliu/ChiMed",
    license="none stated",
    redistributable="no",
    serves=frozenset({"cpt", "sft", "dpo"}),
    kind="instruction",
    domain="medical",
    reader=Together(
        (
            TextLines(("cpt.txt",)),
            JsonRows(("sft.jsonl",), layouts=(frozenset({"conversations"}),)),
            JsonRows(("dpo.json",), layouts=(_REWARD,)),
        )
    ),
    parse=parse,
    attribution="Qilin-Med (Ye et al., 2023)",
    notice="The authors' release has no card and no licence.",
    addresses=tuple(f"hf://datasets/williamliu/ChiMed/{name}" for name in ("cpt.txt", "sft.jsonl", "dpo.json")),
    only_when_named=True,
    split_files={"cpt": "cpt.txt", "sft": "sft.jsonl", "dpo": "dpo.json"},
)
