"""Deduplication after Lee et al. (2022) on Chinese text: exact, near (MinHash), repeated substrings."""

from chimed.dedup.exact import exact
from chimed.dedup.found import REASONS, Found
from chimed.dedup.near import near
from chimed.dedup.settings import NearSettings
from chimed.dedup.sketches import compared, write_sketches
from chimed.dedup.substring import Cut, SubstringSettings, substring

__all__ = [
    "REASONS",
    "Cut",
    "Found",
    "NearSettings",
    "SubstringSettings",
    "compared",
    "exact",
    "near",
    "substring",
    "write_sketches",
]
