"""Deduplication after Lee et al. (2022) on Chinese text: exact, near (MinHash), repeated substrings."""
