"""Keeps benchmark text out of training data: an index of evaluation items, and what of them stands in a record.

Character 13-grams on normalised text (NFKC, case folded, punctuation and white space gone), since words mean nothing in
unsegmented Chinese. What counts as contaminated is in `rules`. The index holds hashes and never text, so a release may
ship it. numba is loaded when the first index is built or opened.
"""

from __future__ import annotations

from chimed.guard.index import Index
from chimed.guard.items import EvalItem
from chimed.guard.rules import Hit

__all__ = ["EvalItem", "Hit", "Index"]
