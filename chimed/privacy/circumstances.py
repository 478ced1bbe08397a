"""Rules for dates, ages, beds, plates and hospitals: what surrounds a person."""

from __future__ import annotations

import re
import string

from chimed.privacy.clues import BLANK, pairs
from chimed.privacy.rules import DAY, DIGIT, DIGITS, LETTER, MONTH, YEAR, Group, L, Match, S, rule, words

_FULL_DATE = (
    rf"(?:{YEAR}{S}年{S}{MONTH}{S}月{S}{DAY}{S}[日号]|{YEAR}(?P<s>[-./]){MONTH}(?P=s){DAY}(?![0-9])|"
    rf"(?<![0-9])(?<!第){MONTH}月{DAY}[日号])"
)
_MONTH_OR_DAY = rf"{YEAR}(?:{S}年{S}{MONTH}{S}月(?:{S}{DAY}{S}[日号])?|(?P<s>[-./]){MONTH}(?:(?P=s){DAY})?(?![0-9]))"
_COMPACT = rf"{YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?![0-9])"
_CHINESE_DATE = (
    r"[一二][零〇○九一二三四五六七八]{3}年[一二三四五六七八九十]{1,2}月(?:[一二三四五六七八九十]{1,3}[日号])?"
)
_BIRTH_CUE = (
    r"(?:出生(?:年月日?|日期|时间|于|在)?|生日|生辰|诞辰|生于|(?<![A-Za-z])(?i:dob|birthday|birth date|date of birth))"
)
BIRTHS_AFTER_CUES = (
    rule(
        "DOB",
        80,
        rf"{_BIRTH_CUE}{S}(?:\([^()\n0-9]{{0,6}}\))?{S}(?:就?是|为|在)?{S}[:=]?{S}"
        rf"(?P<v>{_MONTH_OR_DAY}|{_COMPACT}|(?:农历|阴历|阳历)?{MONTH}月{DAY}[日号]|[0-9]{{2}}年{MONTH}月(?:{DAY}[日号])?|"
        rf"[0-9]{{2}}(?P<y>[-./]){MONTH}(?P=y){DAY}(?![0-9])|{DAY}/{DAY}/{YEAR}(?![0-9])|"
        rf"{_CHINESE_DATE})",
        start="[出生诞DdBb][生日辰于OoIiİı]",
    ),
    rule("DOB", 80, rf"出生年月{S}[:是为]?{S}(?P<v>{YEAR}(?:0[1-9]|1[0-2]))(?![0-9])"),
)
BIRTHS = (
    rule(
        "DOB",
        80,
        rf"(?P<v>{_MONTH_OR_DAY}|{_CHINESE_DATE}){S}(?:出生|生于|生人|生(?=[，,。;；、)\s]|$))",
        start="[12一二][90零〇○九一二三四五六七八]",
    ),
)

_EVENT = r"(?:入院|出院|就诊|住院|手术|分娩|复查|复诊|死亡|来我院|转入|转院)"
DATES_BEFORE = (
    rule(
        "DATE",
        40,
        rf"(?P<v>{_FULL_DATE})[^。；;()\n]{{0,8}}?{_EVENT}",
        start=r"[0-9](?:[0-9]{3}[ \t]*[-./年]|[0-9]?月)",
    ),
)
DATES_AFTER = (
    rule("DATE", 40, rf"{_EVENT}(?:日期|时间|日){S}[:是为]?{S}(?P<v>{_FULL_DATE}|{YEAR}[01][0-9][0-3][0-9](?![0-9]))"),
)
ALL_DATES = (rule("DATE", 39, _FULL_DATE),)

PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
PLATES = (
    rule(
        "PLATE",
        60,
        rf"[{PROVINCES}][A-HJ-NP-Z] ?[·•・. -]? ?(?=[A-Z]*[0-9])"
        rf"(?:[A-HJ-NP-Z0-9]{{5,6}}|[A-HJ-NP-Z0-9]{{4}}[挂学警港澳])(?![0-9A-Za-z])",
    ),
)

_COUNT = r"(?:[0-9]{1,3}|[一二三四五六七八九十]{1,3})"
BEDS = (
    rule("BED", 50, rf"{L}{_COUNT}{S}(?:楼|病区|病房|层|区){S}加?[0-9]{{1,3}}号?床(?![的位旁边单头]?[综医规])"),
    rule("BED", 50, rf"(?:[一-鿿]内|[一-鿿]外|[一-鿿]科)?病区{S}[0-9]{{1,3}}号?床(?!位)"),
    rule("BED", 50, rf"(?:{L}|加){_COUNT}号?床{S}(?:的(?=患|病|家)|(?=患者|病人|病员|家属))"),
)

_NOT_BEFORE = r"(?<![0-9.~～\-—–至到≥>＞<≤])(?<!平均)(?<!超过)(?<!大于|小于|高于|低于|达到|活到|寿命)"
_NO_GROUP = r"(?!以[上下内前后]|及|或以|组|[~～\-—–至到]|之?间|者|的?人群)"
_CHINESE_AGE = r"(?:九十[一二三四五六七八九]?|一百(?:零[一二三四五六七八九]|一?十[一二三四五六七八九]?)?)"
GREAT_AGES = (
    rule("AGE90", 30, rf"{_NOT_BEFORE}(?:9[0-9]|1[01][0-9]){S}周?岁{_NO_GROUP}"),
    rule("AGE90", 30, rf"(?<![到至均过于约百千一二三四五六七八九]){_CHINESE_AGE}周?岁{_NO_GROUP}"),
)
AGES = (rule("AGE", 29, r"(?<![0-9.~～\-—–至到≥>＞<≤])[1-9][0-9]?周?岁(?!以[上下内]|及|[~～\-—–至到])"),)

_HOSPITAL = r"(?:医院|卫生院|卫生服务中心|妇幼保健院|疗养院)"
_KIND_OF_HOSPITAL = re.compile(
    r"(?:.*(?:去|到|在|的|了|是|请|来|家|个|您|你|我|他|她|送|往|上|从|由|向|就近|及时|正规|当地|附近|大|小|好|公立|私立|专科|专业|综合|"
    r"三甲|等|三级|二级|一级|基层|社区|乡镇|县级|市级|省级|级|地方|男科|妇科|儿科|儿童|口腔|眼科|肿瘤|精神|传染病|中医|西医|各|某|本|该|此|"
    rf"不同|前往)){_HOSPITAL}"
)


def _named_hospital(match: Match) -> bool:
    """Whether the words before 医院 are a name and not only its kind (当地医院, 正规的专科医院)."""
    return _KIND_OF_HOSPITAL.fullmatch(match[0]) is None


HOSPITALS = (rule("HOSPITAL", 25, rf"[一-鿿]{{2,18}}?{_HOSPITAL}", _named_hospital),)

_DAY_GATE = re.compile(r"[0-9０-９](?:\s?[日号]|[0-9０-９]{3}[-./．－／年0-9０-９])").search
_GREAT_AGE_GATE = re.compile(r"[9９1１九一](?:[0-9０-９]{1,2}|十.?|百.{0,3})[\s周]{0,2}岁").search
_BIRTH_GATE = words("出生 生日 生辰 生于 生人 日生 月生 DOB dob Dob irth IRTH 诞辰")

_DIGIT, _CHINESE = string.digits, "一二三四五六七八九十"
_BIRTH_CLUE = pairs("出生 生日 生辰 诞辰 生于 do th")
_BORN_CLUE = pairs("", (_DIGIT + "日号月" + BLANK, "出生"))
_YEAR_CLUE = pairs("19 20", ("一二", "零〇○九一二三四五六七八"))
_MONTH_CLUE = pairs("19 20", ("月", _DIGIT + BLANK))
_EVENT_CLUE = pairs("入院 出院 就诊 住院 手术 分娩 复查 复诊 死亡 来我 转入 转院")
_EVENT_DAY_CLUE = pairs("", ("院诊术娩查亡入", "日时"))
_GREAT_CLUE = pairs("10 11 九十 一百", ("9", _DIGIT))
_OLD_CLUE = pairs("", (_DIGIT + _CHINESE + "百周" + BLANK, "岁"))

GROUPS = (
    Group(0, frozenset("生诞BbＢ"), _BIRTH_GATE, BIRTHS_AFTER_CUES, (_BIRTH_CLUE,)),
    Group(0, frozenset("生诞BbＢ"), _BIRTH_GATE, BIRTHS, (_BORN_CLUE, _YEAR_CLUE)),
    Group(
        DIGIT | LETTER,
        frozenset(PROVINCES),
        re.compile(rf"[{PROVINCES}][A-HJ-NP-ZＡ-Ｚ]").search,
        PLATES,
        (pairs("", (PROVINCES, string.ascii_lowercase)),),
    ),
    Group(
        0,
        frozenset("床"),
        re.compile(r"[0-9０-９一二三四五六七八九十号]床").search,
        BEDS,
        (pairs("", (_DIGIT + _CHINESE + "号", "床")),),
    ),
    Group(0, frozenset("岁"), _GREAT_AGE_GATE, GREAT_AGES, (_GREAT_CLUE, _OLD_CLUE)),
    Group(DIGIT, frozenset("院诊术娩查亡入"), _DAY_GATE, DATES_BEFORE, (_EVENT_CLUE, _MONTH_CLUE)),
    Group(DIGIT, frozenset("院诊术娩查亡入"), _DAY_GATE, DATES_AFTER, (_EVENT_DAY_CLUE, _MONTH_CLUE)),
)
STRICT_GROUPS = (
    Group(DIGIT, DIGITS, _DAY_GATE, ALL_DATES),
    Group(DIGIT, frozenset("岁"), words("岁"), AGES),
    Group(0, frozenset("院心"), words("医院 卫生院 服务中心 疗养院 保健院"), HOSPITALS),
)
