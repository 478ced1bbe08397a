"""Mathematics for primary schools with generated answers, unverified (BELLE)."""

from __future__ import annotations

from chimed.readers import FirstOf, JsonRows
from chimed.source import Source
from chimed.sources import belle

source = Source(
    name="school_math",
    home="https://huggingface.co/datasets/BelleGroup/school_math_0.25M",
    license=belle.LICENSE,
    redistributable="GPL",
    serves=frozenset({"sft"}),
    kind="instruction",
    domain="general",
    reader=JsonRows(
        (FirstOf.these("school_math_0.25M.json", "School_Math.jsonl", "bellemath_conv.jsonl"),), layouts=belle.LAYOUTS
    ),
    parse=belle.parse,
    attribution=belle.ATTRIBUTION,
    expected=248_481,
    paper={"sft": ("248K", "151.5")},
    notice=belle.NOTICE,
    addresses=("hf://datasets/BelleGroup/school_math_0.25M/school_math_0.25M.json",),
)
