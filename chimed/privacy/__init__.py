"""Finds and masks personal identifiers in Chinese medical text: rule-based masking, with measured recall.

    Masker().mask("张医生您好，我电话13912345678").text   # '[姓名]医生您好，我电话[电话]'

The rules change a name or a number that identifies somebody and nothing else: doses, laboratory values, codes, approval
and batch numbers come out as they went in. See docs/privacy.md for the score table and for what may be claimed.
"""

from chimed.privacy.finders import Finder, installed
from chimed.privacy.finding import PROFILES, find
from chimed.privacy.masker import Masked, Masker
from chimed.privacy.replacement import PLACEHOLDERS, key_from_environment

RULES_VERSION = "1"

__all__ = [
    "PLACEHOLDERS", "PROFILES", "RULES_VERSION", "Finder", "Masked", "Masker", "find", "installed", "key_from_environment",
]  # fmt: skip
