r"""The rules for identifiers with a form or a cue: numbers, addresses of the net, dates, places.

All patterns run on the folded text (chimed.privacy.spans) and look around themselves in ASCII. `\b`, `\w` and `\d` are
never used: the first two count Chinese characters as word characters, the third takes digits of other scripts.
A rule replaces its groups `v` (and `w`), or its whole match where it has none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from chimed.privacy import validators

Match = re.Match[str]

L, R = r"(?<![0-9A-Za-z])", r"(?![0-9A-Za-z])"
S = r"[ \t]*"
IS = rf"{S}(?:号码|编号|代码|号|码|ID|id)?{S}(?:\([^()\n0-9]{{0,8}}\))?{S}(?:就?是|为|[:=])?{S}"
_STRONG = rf"{S}(?:(?:号码?|编号|代码|码|ID|id|NO\.?|No\.?){S}(?:就?是|为|[:=])?|[:=]){S}"
_DAY = r"(?:0?[1-9]|[12][0-9]|3[01])"
_MONTH = r"(?:0?[1-9]|1[0-2])"
_YEAR = r"(?:19|20)[0-9]{2}"
FULL_DATE = (
    rf"(?:{_YEAR}{S}年{S}{_MONTH}{S}月{S}{_DAY}{S}[日号]|{_YEAR}(?P<s>[-./]){_MONTH}(?P=s){_DAY}(?![0-9])|"
    rf"(?<![0-9])(?<!第){_MONTH}月{_DAY}[日号])"
)


@dataclass(frozen=True)
class Rule:
    """One pattern: the type it finds, its priority in an overlap, and a check on the match."""

    type: str
    priority: int
    pattern: re.Pattern[str]
    accept: Callable[[Match], bool] | None = None
    strict: bool = False
    groups: tuple[str, ...] = ("v",)


def _rule(
    type: str, priority: int, pattern: str, accept: Callable[[Match], bool] | None = None, *, strict: bool = False
) -> Rule:
    compiled = re.compile(pattern)
    groups = tuple(name for name in ("v", "w") if name in compiled.groupindex)
    return Rule(type, priority, compiled, accept, strict, groups or ("",))


def _value(match: Match) -> str:
    return match["v"] if "v" in match.re.groupindex else match[0]


def _phone(match: Match) -> bool:
    value = _value(match)
    return validators.telephone(value) and not validators.business_line(value)


def _bare_mobile(match: Match) -> bool:
    """A number of eleven digits in a sum or a round count is no telephone."""
    before, after = match.string[: match.start()].rstrip()[-1:], match.string[match.end() :].lstrip()[:1]
    round_number = validators.digits_of(match[0])[-9:] == "0" * 9
    return not round_number and not (before and before in "×÷=+*^<>") and not (after and after in "×÷=+*^%")


def _social(match: Match) -> bool:
    """A name of letters alone after a cue without 号 or a colon is a word of English, not an account."""
    value, between = match["v"], match["is"]
    return any(c in "0123456789_-" for c in value) or any(c in between for c in ":=号")


def _record(match: Match) -> bool:
    """After a bare cue and a colon stand counts and dates too: only a long code that is no date is taken."""
    value, between = match["v"], match["is"]
    digits = validators.digits_of(value)
    if any(word in between for word in ("号", "码", "ID", "id", "No", "NO")):
        return len(digits) >= 4
    return len(digits) >= 6 and not validators.date(value)


def _bank(match: Match) -> bool:
    return 12 <= len(validators.digits_of(match["v"])) <= 19


def _id_by_cue(match: Match) -> bool:
    plain = match["v"].replace(" ", "").replace("-", "")
    return len(plain) in {15, 18} and sum(c in "0123456789" for c in plain) >= 6


_SOCIAL_VALUE = r"[A-Za-z][-_A-Za-z0-9]{5,19}(?![-_A-Za-z0-9@])|1[3-9][0-9](?:[- ]?[0-9]{4}){2}(?![0-9])"
_WECHAT_CUE = r"(?:微信公众号|公众号|微信|薇信|威信|微 信|[Vv]信|(?<![0-9A-Za-z])(?i:wechat|weixin|vx|wx)(?![A-Za-z]))"
_PHONE_CUE = (
    r"(?:电话|手机|联系方式|联系号码|热线|致电|拨打|传真|座机|固话|手提|总机|值班室|"
    r"(?<![A-Za-z])(?i:telephone|tel|phone|mobile|cell|fax|hotline)(?![A-Za-z]))"
)
_DASH = r"[-—–―‐－ ]"
_EXTENSION = rf"(?:{S}(?:-|转|分机|ext\.?){S}[0-9]{{1,5}})?"
_LOCAL = r"[2-9](?:[0-9]{6,7}|[0-9]{2,3}[ -][0-9]{4})"
_RECORD_CUE = (
    r"(?:病案|病历|病例|住院|门诊|就诊卡?|挂号|登记|建档|影像|放射|超声|B超|检查单?|检验单?|化验单?|标本|样本|病理|报告单?|"
    r"申请单?|处方|体检|健康卡|医保卡?|社保卡?|医疗卡|诊疗卡|患者|病人|(?<![A-Za-z])(?:CT|MRI|MR|DR|ECG|PET|X线))"
)
_BANK_CUE = r"(?:银行卡|储蓄卡|借记卡|信用卡|工资卡|银行账[号户]|银行帐[号户]|账号|帐号|账户|帐户|(?<!诊)卡号)"
_PERMITS = r"(?:身份证件?|公民身份|证件|驾驶证|驾照|军官证|士官证|残疾人?证|执业证书?|资格证书?)"

DIGIT_RULES = (
    _rule(
        "ID_CARD",
        100,
        rf"{L}[1-9][0-9]{{5}}(?P<g>[ -]?){_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?P=g)[0-9]{{3}}[0-9Xx]{R}",
        lambda m: validators.id_card(m[0]),
    ),
    _rule(
        "ID_CARD", 100, rf"{_PERMITS}{IS}(?P<v>[1-9][0-9*]{{2}}[0-9Xx* -]{{11,18}}[0-9Xx*])(?![0-9A-Za-z*])", _id_by_cue
    ),
    _rule(
        "MRN",
        95,
        rf"{_RECORD_CUE}(?P<is>{_STRONG})(?P<v>[A-Za-z]{{0,4}}-?[0-9]{{3,18}}(?:-[0-9A-Za-z]{{1,12}})*){R}(?![.][0-9])",
        _record,
    ),
    _rule("MRN", 95, rf"{L}(?P<is>ID号|MRN)(?:号码?)?{S}[:是为]?{S}(?P<v>[A-Za-z]{{0,3}}[0-9]{{4,18}}){R}", _record),
    _rule(
        "QQ",
        80,
        rf"(?:(?<![A-Za-z])[Qq][Qq]|扣扣|企鹅|球球|(?<![A-Za-z])[Qq](?=号|群))群?{IS}(?P<v>[1-9][0-9]{{4,11}})(?![0-9A-Za-z@.*])",
    ),
    _rule("QQ", 80, rf"加{S}[Qq]{S}:?{S}(?P<v>[1-9][0-9]{{4,11}})(?![0-9A-Za-z@.*])"),
    _rule("PASSPORT", 80, rf"(?:护照|通行证){IS}(?P<v>[A-Za-z]{{1,2}}[0-9]{{7,9}}){R}"),
    _rule("PASSPORT", 80, rf"(?:台胞证|回乡证|台湾居民来往大陆通行证){IS}(?P<v>[A-Za-z]?[0-9]{{8,10}}){R}"),
    _rule(
        "PHONE",
        75,
        rf"{_PHONE_CUE}{IS}(?P<v>\+?[0-9(](?:[0-9() ]|{_DASH}){{5,18}}[0-9]{_EXTENSION})(?![0-9A-Za-z])"
        rf"(?:{S}[、/或，,]{S}(?P<w>{_LOCAL})(?![0-9A-Za-z.]))?",
        _phone,
    ),
    _rule(
        "MOBILE",
        70,
        rf"(?<![0-9A-Za-z])(?<![0-9A-Za-z][.\-])(?:(?:\+|00)86{_DASH}?|86-|\(\+?86\){S})?"
        rf"1[3-9][0-9](?:{_DASH}?[0-9]{{4}}){{2}}(?![0-9A-Za-z]|\.[0-9]|-[0-9])",
        _bare_mobile,
    ),
    _rule("MOBILE", 70, rf"{L}1[3-9][0-9][*xX]{{4}}[0-9]{{4}}{R}"),
    _rule(
        "PHONE",
        70,
        rf"(?<![0-9A-Za-z.\-])(?:(?:\+|00)86{_DASH}?)?(?:\(?0(?:10|2[0-9]|[3-9][0-9]{{2}})\){S}|"
        rf"0(?:10|2[0-9]|[3-9][0-9]{{2}}){S}{_DASH}{S}){_LOCAL}{_EXTENSION}(?![0-9A-Za-z]|\.[0-9])",
    ),
    _rule(
        "PHONE", 70, rf"(?<![0-9A-Za-z])(?:\+|00)86{_DASH}?[1-9][0-9]{{1,2}}{_DASH}{_LOCAL}{_EXTENSION}(?![0-9A-Za-z])"
    ),
    _rule("BANK_CARD", 66, rf"{_BANK_CUE}{IS}(?P<v>[0-9]{{4}}(?:[ -]?[0-9]){{8,15}})(?![0-9A-Za-z])", _bank),
    _rule(
        "BANK_CARD",
        65,
        rf"(?<![0-9A-Za-z.\-])(?:62|4[0-9]|5[1-5]|35|37|9[0-9])[0-9]{{2}}"
        rf"(?:[0-9]{{9,15}}|(?P<g>[ -])[0-9]{{4}}(?P=g)[0-9]{{4}}(?P=g)[0-9]{{1,4}}(?:(?P=g)[0-9]{{1,3}})?){R}",
        lambda m: validators.luhn(m[0]),
    ),
    _rule("PHONE", 60, rf"{L}[48]00{_DASH}?[0-9]{{3,4}}{_DASH}?[0-9]{{3,4}}{R}", strict=True),
)

DOB_RULES = (
    _rule(
        "DOB", 80,
        rf"(?:出生(?:日期|年月日?|时间|于|在)?|生日|诞辰|生于|(?<![A-Za-z])(?i:dob|birthday|birth date|date of birth)){S}(?:[:是为]|就是)?{S}"
        rf"(?P<v>{_YEAR}(?:{S}年{S}{_MONTH}{S}月(?:{S}{_DAY}{S}[日号])?|(?P<s>[-./]){_MONTH}(?:(?P=s){_DAY})?(?![0-9])|"
        rf"(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?![0-9]))|(?:农历|阴历|阳历)?{_MONTH}月{_DAY}[日号]|[0-9]{{2}}年{_MONTH}月(?:{_DAY}[日号])?)",
    ),
    _rule(
        "DOB", 80,
        rf"(?P<v>{_YEAR}(?:{S}年{S}{_MONTH}{S}月(?:{S}{_DAY}{S}[日号])?|(?P<s>[-./]){_MONTH}(?:(?P=s){_DAY})?))"
        rf"{S}(?:出生|生于|生人|生(?=[，,。;；、)\s]|$))",
    ),
)  # fmt: skip

_EVENT = r"(?:入院|出院|就诊|住院|手术|分娩|复查|复诊|死亡|来我院|转入|转院)"
DATE_RULES = (
    _rule("DATE", 40, rf"(?P<v>{FULL_DATE})[^。；;()\n]{{0,8}}?{_EVENT}"),
    _rule("DATE", 40, rf"{_EVENT}(?:日期|时间|日){S}[:是为]?{S}(?P<v>{FULL_DATE}|{_YEAR}[01][0-9][0-3][0-9](?![0-9]))"),
    _rule("DATE", 39, FULL_DATE, strict=True),
)

EMAIL_RULES = (
    _rule(
        "EMAIL",
        90,
        rf"{L}[A-Za-z0-9._%+\-]+ ?(?:@|[(\[](?:at|AT)[)\]]) ?[A-Za-z0-9\-]+(?: ?(?:\.|[(\[]dot[)\]]) ?[A-Za-z0-9\-]+)+",
    ),
)
_URL_CHARACTER = r"[^\s一-鿿，。；！？、）)】」》<>\"'\]]"
URL_RULES = (
    _rule("URL", 90, rf"(?:(?i:https?|ftp)://|(?<![A-Za-z0-9.])(?i:www)\.){_URL_CHARACTER}*[^\s一-鿿，。；！？、）)】」》<>\"'\].,:;!?]"),
    _rule(
        "URL", 88,
        rf"(?<![A-Za-z0-9.@_/\-])(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{{0,40}})\.)+(?:com|cn|org|net)(?![A-Za-z0-9_.(\-])(?:/{_URL_CHARACTER}*)?",
    ),
)  # fmt: skip
WECHAT_RULES = (
    _rule("WECHAT", 85, rf"{L}(?:(?i:vx)(?P<v>[A-Za-z]{{2,}}[0-9]{{3,}}[-_A-Za-z0-9]*)|(?P<w>wxid_[0-9A-Za-z]+)){R}"),
    _rule("WECHAT", 85, rf"{_WECHAT_CUE}(?:同号)?(?P<is>{IS})(?P<v>{_SOCIAL_VALUE})", _social),
    _rule(
        "WECHAT",
        85,
        rf"微信(?:同号|账号)?(?P<is>{S}(?:号码?|ID|id){S}[:是为]?{S})(?P<v>[1-9][0-9]{{5,10}})(?![0-9A-Za-z.])",
    ),
    _rule(
        "WECHAT",
        85,
        rf"(?<![增追添外])加(?P<is>{S}(?:[Vv微薇]|我[Vv微薇])(?:{S}:{S}|[ ]))(?P<v>{_SOCIAL_VALUE})",
        _social,
    ),
)

PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
PLATE_RULES = (
    _rule(
        "PLATE", 60,
        rf"[{PROVINCES}][A-HJ-NP-Z] ?[·•・. ]? ?(?=[A-Z]*[0-9])(?:[A-HJ-NP-Z0-9]{{5,6}}|[A-HJ-NP-Z0-9]{{4}}[挂学警港澳])(?![0-9A-Za-z])",
    ),
)  # fmt: skip

_COUNT = r"(?:[0-9]{1,3}|[一二三四五六七八九十]{1,3})"
BED_RULES = (
    _rule("BED", 50, rf"{L}{_COUNT}{S}(?:楼|病区|病房|层|区){S}(?:加)?[0-9]{{1,3}}号?床(?![的位旁边单头]?[综医规])"),
    _rule("BED", 50, rf"(?:[一-鿿]内|[一-鿿]外|[一-鿿]科)?病区{S}[0-9]{{1,3}}号?床(?!位)"),
    _rule("BED", 50, rf"(?:{L}|加){_COUNT}号?床{S}(?:的(?=患|病|家)|(?=患者|病人|病员|家属))"),
)  # fmt: skip

_BIG_AGE = r"(?:9[0-9]|1[01][0-9])"
_OLD = rf"(?<![0-9.~～\-—–至到≥>＞<≤])(?<!平均)(?<!超过)(?<!大于|小于|高于|低于|达到|活到|寿命){_BIG_AGE}{S}周?岁"
_NOT_A_GROUP = r"(?!以[上下内前后]|及|或以|组|[~～\-—–至到]|之?间|者|的?人群)"
AGE_RULES = (
    _rule("AGE90", 30, rf"{_OLD}{_NOT_A_GROUP}"),
    _rule(
        "AGE90", 30,
        rf"(?<![到至均过于约百千一二三四五六七八九])(?:九十[一二三四五六七八九]?|一百(?:零[一二三四五六七八九]|一?十[一二三四五六七八九]?)?)周?岁{_NOT_A_GROUP}",
    ),
    _rule("AGE", 29, r"(?<![0-9.~～\-—–至到≥>＞<≤])[1-9][0-9]?周?岁(?!以[上下内]|及|[~～\-—–至到])", strict=True),
)  # fmt: skip

HOSPITAL_RULES = (
    _rule(
        "HOSPITAL",
        25,
        r"[一-鿿]{2,18}?(?:医院|卫生院|卫生服务中心|妇幼保健院|疗养院)",
        lambda m: named_hospital(m[0]),
        strict=True,
    ),
)

_PLAIN_HOSPITAL = re.compile(
    r"(?:.*(?:去|到|在|的|了|是|请|来|家|个|您|你|我|他|她|送|往|上|从|由|向|就近|及时|正规|当地|附近|大|小|好|公立|私立|专科|专业|综合|三甲|"
    r"三级甲等|三级|二级|一级|基层|社区|乡镇|县级|市级|省级|级|地方|男科|妇科|儿科|儿童|口腔|眼科|肿瘤|精神|传染病|中医|西医|各|某|本|该|此|一家|不同|前往))"
    r"(?:医院|卫生院|卫生服务中心|妇幼保健院|疗养院)"
)


def named_hospital(found: str) -> bool:
    """Whether the words before 医院 are a name and not only its kind (当地医院, 正规的专科医院)."""
    return _PLAIN_HOSPITAL.fullmatch(found) is None
