"""MedDialog: consultations of haodf.com, as the processed arrays of turns or as the raw text of a year."""

from __future__ import annotations

from chimed.readers import Blocks, Either, FirstOf, JsonRows
from chimed.records import Dialogue
from chimed.source import Row, Source
from chimed.sources import consultations, turns

_PROCESSED = FirstOf.these("processed/train_data.json", "train_data.json", "turn_id_dialogue.json")
_RAW = FirstOf.these("raw/*.txt", "20[0-9][0-9].txt", "*Dialogue-Dataset-Chinese.txt")

_DAMAGED_ID = r"(?=.{1,24}$)[^a-zA-Z0-9]*(?:i[^a-zA-Z0-9]*d?|d)[^a-zA-Z0-9]*[\dO]*[^a-zA-Z]*$"


def parse(row: Row) -> Dialogue:
    """A raw block by the reference rule; else turns with 病人： and 医生： in front, by the turn rule."""
    if isinstance(row.value, str):
        return consultations.parse(row.value)
    if isinstance(row.value, dict):
        return turns.dialogue(
            turns.of_strings(row.value.get("Dialogue")), upstream_id=turns.identity(row.value.get("Id"))
        )
    return turns.dialogue(turns.of_strings(row.value))


source = Source(
    name="meddialog_cn",
    home="https://github.com/UCSD-AI4H/Medical-Dialogue-System",
    license="none stated; text (c) haodf.com",
    redistributable="no",
    serves=frozenset({"cpt", "sft"}),
    kind="dialogue",
    domain="medical",
    reader=Either(
        JsonRows((_PROCESSED,), layouts=(frozenset({"Dialogue"}), frozenset())),
        Blocks((_RAW,), opens=r"id=\d+[ \t\r]*$", nearly=_DAMAGED_ID, second=r"https?://www\.haodf\.com/"),
    ),
    parse=parse,
    attribution="MedDialog (Chen et al., 2020)",
    expected=2_725_989,
    paper={"cpt": ("2726K", "1500"), "sft": ("2726K", "1500")},
    notice="The consultations belong to haodf.com.",
    obtain="Download the processed train_data.json (to processed/) or the raw year files (to raw/) from the folders "
    "linked in the README of github.com/UCSD-AI4H/Medical-Dialogue-System.",
)
