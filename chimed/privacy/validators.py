"""Checks that a string of digits is what it looks like: identity card, bank card, date, telephone number."""

from __future__ import annotations

import re

_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECK = "10X98765432"
_DATE = re.compile(r"(?:19|20)[0-9]{2}([-./ ]?)(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12][0-9]|3[01])")
_BUSINESS = re.compile(r"[48]00[- ]?[0-9]{3}[- ]?[0-9]{4}|[48]00[- ]?[0-9]{4}[- ]?[0-9]{3}")


def digits_of(value: str) -> str:
    """The ASCII digits of a value."""
    return "".join(c for c in value if "0" <= c <= "9")


def id_card(value: str) -> bool:
    """Whether the check character of an 18-character identity number is right (GB 11643-1999)."""
    plain = value.replace(" ", "").replace("-", "").upper()
    total = sum(int(digit) * weight for digit, weight in zip(plain, _ID_WEIGHTS, strict=False))
    return len(plain) == 18 and _ID_CHECK[total % 11] == plain[-1]


def luhn(value: str) -> bool:
    """Whether the digits of a card number pass the Luhn check (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits_of(value))):
        number = int(digit) * (1 + place % 2)
        total += number - 9 if number > 9 else number
    return total % 10 == 0


def date(value: str) -> bool:
    """Whether a value reads as a day of the years 1900 to 2099: 20230815, 2023-8-15."""
    return _DATE.fullmatch(value) is not None


def business_line(value: str) -> bool:
    """Whether a telephone number is a 400 or 800 line: a company's, never a person's."""
    return _BUSINESS.match(value) is not None


def telephone(value: str) -> bool:
    """Whether a value that stands after a telephone cue can be one: 7 to 16 digits, neither a day nor all zeros."""
    digits = digits_of(value)
    return 7 <= len(digits) <= 16 and not date(value) and len(set(digits)) > 1
