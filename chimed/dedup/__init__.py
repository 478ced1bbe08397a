"""Deduplication after Lee et al. (2022) on Chinese text: exact, near (MinHash), repeated substrings."""

from chimed.dedup.exact import exact
from chimed.dedup.found import REASONS, Found
from chimed.dedup.near import Against, near
from chimed.dedup.settings import NearSettings
from chimed.dedup.sketches import Earlier, compared, write_sketches

__all__ = ["REASONS", "Against", "Earlier", "Found", "NearSettings", "compared", "exact", "near", "write_sketches"]
