"""What stands in the place of an identifier: a typed placeholder, or a surrogate that is the same for the same value.

Surrogates come from HMAC-SHA-256 (RFC 2104) under a secret key. Each lies in a space that is never given out: mobile
numbers with 12, cards with 00, identity numbers of the region 99 with a wrong check character, names with 某, the domain
`masked.invalid` (RFC 2606). So none can belong to somebody, and a text that was masked already is left as it is.
"""

from __future__ import annotations

import hmac
import os
import re

from chimed.errors import UsageError
from chimed.privacy import validators
from chimed.privacy.spans import fold

KEY_VARIABLE = "CHIMED_SURROGATE_KEY"
_SHORTEST_KEY = 16

PLACEHOLDERS = {
    "ID_CARD": "[身份证号]", "MRN": "[病历号]", "EMAIL": "[邮箱]", "URL": "[网址]", "WECHAT": "[微信号]", "QQ": "[QQ号]",
    "PASSPORT": "[护照号]", "DOB": "[出生日期]", "PHONE": "[电话]", "MOBILE": "[手机号]", "BANK_CARD": "[银行卡号]",
    "PLATE": "[车牌号]", "NAME": "[姓名]", "BED": "[床号]", "ADDRESS": "[地址]", "DATE": "[日期]", "AGE": "[年龄]",
    "HOSPITAL": "[医院]",
}  # fmt: skip

_SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯董萧程曹袁邓许傅沈曾彭吕苏"
_STEMS = "甲乙丙戊己庚壬癸丑寅卯巳酉戌亥"
_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁苏浙赣鄂桂甘晋蒙陕吉闽贵粤青"
_SURROGATE = re.compile(
    rf"12[0-9]{{9}}|010-0[0-9]{{7}}|99[0-9]{{15}}[0-9X]|u[0-9a-f]{{8}}@masked\.invalid|https://masked\.invalid/[0-9a-f]{{8}}|"
    rf"_wx[0-9a-f]{{8}}|0[0-9]{{9}}|IO[0-9]{{7}}|ZZ[0-9]{{8}}|00[0-9]{{14}}|[一-鿿]I[0-9]{{5}}|[一-鿿]某[{_STEMS}]|.*某市某区某路.*"
)


def key_from_environment() -> bytes | None:
    """The surrogate key of CHIMED_SURROGATE_KEY, or None where the variable is not set; never printed or stored.

    Raises UsageError for a key under 16 characters: telephone numbers are few enough to try them all under it.
    """
    key = os.environ.get(KEY_VARIABLE, "")
    if key and len(key) < _SHORTEST_KEY:
        raise UsageError(
            f"{KEY_VARIABLE}: the key has {len(key)} characters; give at least {_SHORTEST_KEY} random ones."
        )
    return key.encode() or None


def is_surrogate(value: str) -> bool:
    """Whether a value is of a form that only surrogates have."""
    return _SURROGATE.fullmatch(value) is not None


def _canonical(kind: str, value: str) -> str:
    """The value as it is the same for every way of writing it."""
    plain = re.sub(r"[\s()\-—–]", "", fold(value)).upper()
    return re.sub(r"^(?:\+|00)86", "", plain) if kind == "PHONE" else plain


def surrogate(kind: str, value: str, key: bytes) -> str | None:
    """The surrogate of a value, or None for types that only have placeholders (dates, ages, beds, hospitals)."""
    kind = "PHONE" if kind == "MOBILE" else kind
    canonical = _canonical(kind, value)
    digest = hmac.digest(key, f"{kind}\0{canonical}".encode(), "sha256")
    number, word = int.from_bytes(digest[:16]), digest[16:20].hex()

    def digits(count: int) -> str:
        return str(number % 10**count).zfill(count)

    mobile = kind == "PHONE" and re.fullmatch(r"1[3-9][0-9*X]{9}", canonical) is not None
    forms = {
        "PHONE": f"12{digits(9)}" if mobile else f"010-0{digits(7)}",
        "ID_CARD": _identity(digits(15)) if kind == "ID_CARD" else "",
        "EMAIL": f"u{word}@masked.invalid", "URL": f"https://masked.invalid/{word}", "WECHAT": f"_wx{word}",
        "QQ": f"0{digits(9)}", "PASSPORT": f"IO{digits(7)}", "MRN": f"ZZ{digits(8)}", "BANK_CARD": f"00{digits(14)}",
        "PLATE": f"{_PROVINCES[number % len(_PROVINCES)]}I{digits(5)}",
        "NAME": f"{_SURNAMES[number % len(_SURNAMES)]}某{_STEMS[digest[20] % len(_STEMS)]}",
        "ADDRESS": f"某市某区某路{1 + number % 999}号",
    }  # fmt: skip
    return forms.get(kind)


def _identity(digits: str) -> str:
    """An identity number of no region (99) whose check character is wrong."""
    body = f"99{digits}"
    return next(body + check for check in "0123456789X" if not validators.id_card(body + check))


def replacement(kind: str, value: str, key: bytes | None) -> str:
    """What to write in the place of a value of this type."""
    if kind == "AGE90":
        return "90岁以上"
    made = surrogate(kind, value, key) if key else None
    if made is None and kind == "DATE":
        year = re.match(r"(?:19|20)[0-9]{2}", fold(value))
        return f"{year[0]}年[日期]" if year else "[日期]"
    return made or PLACEHOLDERS.get(kind, f"[{kind}]")
