"""Rules for numbers: identity, records, passports, telephones, bank cards."""

from __future__ import annotations

import re

from chimed.privacy import validators
from chimed.privacy.clues import Digits, pairs
from chimed.privacy.rules import (
    DASH,
    DIGIT,
    DIGITS,
    IS,
    STRONG_IS,
    YEAR,
    Group,
    L,
    Match,
    R,
    S,
    rule,
    value,
    words,
)  # fmt: skip


def _telephone(match: Match) -> bool:
    return validators.telephone(value(match)) and not validators.business_line(value(match))


_READING = re.compile(r"[ ]?(?:未[检捡见]|阴性|阳性|检出)")


def _bare_mobile(match: Match) -> bool:
    """A number in a sum, a round count, or a row of a table run together (…未检出) is no telephone."""
    if _READING.match(match.string, match.end()):
        return False
    before, after = match.string[: match.start()].rstrip()[-1:], match.string[match.end() :].lstrip()[:1]
    round_number = validators.digits_of(match[0])[-9:] == "0" * 9
    return not round_number and not (before and before in "×÷=+*^<>") and not (after and after in "×÷=+*^%")


def _record(match: Match) -> bool:
    """After a bare cue and a colon stand counts and dates too: only a long code that is no date is taken."""
    before = match.string[max(0, match.start() - 4) : match.start()].rstrip()
    if before.endswith("CAS") or (before[-1:].isascii() and before[-1:].isalpha() and match[0][0].isascii()):
        return False
    digits = validators.digits_of(match["v"])
    if any(word in match["is"] for word in ("号", "码", "#", "ID", "id", "No", "NO")):
        return len(digits) >= 4
    return _PLAIN_RECORD.fullmatch(match["v"]) is not None and not validators.date(match["v"])


_PLAIN_RECORD = re.compile(r"[A-Za-z]{0,4}-?[0-9]{6,18}")


def _bank(match: Match) -> bool:
    return 12 <= len(validators.digits_of(match["v"])) <= 22


def _identity_by_cue(match: Match) -> bool:
    plain = match["v"].replace(" ", "").replace("-", "")
    return len(plain) in {15, 18} and sum(c in "0123456789" for c in plain) >= 6


_PERMITS = r"(?:身份证件?|公民身份|证件|社会保障|驾驶证|驾照|军官证|士官证|残疾人?证|执业证书?|资格证书?)"
_RECORD_CUE = (
    r"(?:病案|病历|病例|入院|出院|住院|门诊|就诊|就医|挂号|登记|建档|档案|影像|放射|超声|B超|胸片|切片|检查|检验|化验|标本|样本|病理|报告|申请|处方|"
    r"体检|病员|一卡通|健康|医疗保险|医疗证?|医保|社保|社会保障|诊疗|患者|病人|CT|MRI|MR|DR|ECG|PET|X线)"
    r"(?:卡|单|证|片|病历|病案|档案|流水|检查|切片|标本|申请|报告){0,2}"
)
_RECORD = r"[0-9A-Za-z](?:-?[0-9A-Za-z]){2,23}"
_PHONE_CUE = (
    r"(?:电话|手机|联系方式|联系号码|热线|致电|拨打|传真|座机|固话|手提|总机|值班室|"
    r"(?<![A-Za-z])(?i:telephone|tel|phone|mobile|cell|fax|hotline)(?![A-Za-z]))"
)
_PHONE_WITH = r"(?:[/、和或及](?:微信|QQ|qq|手机|电话|传真))?"
_EXTENSION = rf"(?:{S}(?:-|转|分机|ext\.?){S}[0-9]{{1,5}})?"
_LOCAL = r"[2-9](?:[0-9]{6,7}|[0-9]{2,3}[ -][0-9]{4})"
_AREA = r"0(?:10|2[0-9]|[3-9][0-9]{2})"
_BANK_CUE = r"(?:银行卡|储蓄卡|借记卡|信用卡|工资卡|银行账[号户]|银行帐[号户]|账号|帐号|账户|帐户|(?<!诊)卡号)"

# Every search starts with one class of characters: only then does the re module skip to it at full speed.
_FOUR = re.compile(r"[0-9０-９]{4}").search
_SEVEN = re.compile(
    r"[0-9０-９](?:[0-9０-９]{6}|[0-9０-９]{1,5}[-—–―‐－\s*xX)）]{1,4}[0-9０-９]{2,}|[0-9０-９]{2,5}[*xX]{4})"
).search

IDENTITY = (
    rule(
        "ID_CARD",
        100,
        rf"{L}[1-9][0-9]{{5}}(?P<g>[ -]?){YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?P=g)[0-9]{{3}}[0-9Xx]{R}",
        lambda m: validators.id_card(m[0]),
        start=r"[1-9](?<![0-9A-Za-z].)[0-9]{5}",
    ),
)
PERMITS = (
    rule(
        "ID_CARD",
        100,
        rf"{_PERMITS}{IS}(?P<v>[1-9][0-9*]{{2}}[0-9Xx* -]{{11,18}}[0-9Xx*])(?![0-9A-Za-z*])",
        _identity_by_cue,
    ),
    rule("PASSPORT", 80, rf"(?:护照|通行证|旅行证){IS}(?P<v>[A-Za-z]{{1,2}}[0-9]{{7,9}}){R}"),
    rule("PASSPORT", 80, rf"(?:台胞证|回乡证|台湾居民来往大陆通行证){IS}(?P<v>[A-Za-z]?[0-9]{{8,10}}){R}"),
)
RECORDS = (
    rule("MRN", 95, rf"{_RECORD_CUE}(?P<is>{STRONG_IS})(?P<v>{_RECORD}){R}(?!\.[0-9])", _record),
    rule(
        "MRN", 95, rf"(?:病历|病案|就诊卡|诊疗卡|医保卡|社保卡){S}(?P<v>[A-Za-z]{{0,4}}-?[0-9]{{6,18}}){R}(?!\.[0-9])"
    ),
    rule(
        "MRN",
        95,
        rf"{L}(?:ID号|MRN|(?i:patient id|medical record (?:number|no\.?)|case no\.?)){IS}(?P<v>[A-Za-z]{{0,3}}[0-9]{{4,18}}){R}",
        start="[IMPCmpc](?:D号|[RAEae])",
    ),
)
PHONES_BY_CUE = (
    rule(
        "PHONE",
        75,
        rf"{_PHONE_CUE}{_PHONE_WITH}{IS}(?P<v>\+?[0-9(](?:[0-9() ]|{DASH}){{5,18}}[0-9]{_EXTENSION})(?![0-9A-Za-z])"
        rf"(?:{S}[、/或，,]{S}(?P<w>{_LOCAL})(?![0-9A-Za-z.]))?",
        _telephone,
        start="[电手联热致拨传座固提总值TtPpMmCcFfHh][话机系线电打真提班EeHhOoAa]",
    ),
)
PHONES = (
    rule(
        "MOBILE",
        70,
        rf"(?<![0-9A-Za-z])(?<![0-9A-Za-z][.\-])(?:(?:\+|00)86{DASH}?|86-|\(\+?86\){S})?"
        rf"1[3-9][0-9](?:{DASH}?[0-9]{{4}}){{2}}(?![0-9A-Za-z]|\.[0-9]|-[0-9])",
        _bare_mobile,
        start="[018+(](?<![0-9A-Za-z].)",
    ),
    rule(
        "MOBILE",
        70,
        rf"{L}1[3-9][0-9]{{2}}(?P<g>[ -])[0-9]{{4}}(?P=g)[0-9]{{3}}{R}",
        start="1(?<![0-9A-Za-z].)[3-9][0-9]{2}[ -]",
    ),
    rule(
        "PHONE",
        70,
        rf"(?<![0-9A-Za-z.\-])(?:(?:\+|00)86{DASH}?)?(?:\(?{_AREA}\){S}|{_AREA}{S}{DASH}{S})"
        rf"{_LOCAL}{_EXTENSION}(?![0-9A-Za-z]|\.[0-9])",
        start="[0(+][0-9]",
    ),
    rule(
        "PHONE",
        70,
        rf"{L}(?:\+86|0086|86-){DASH}?[1-9][0-9]{{1,2}}{DASH}{_LOCAL}{_EXTENSION}{R}",
        start="[+08][086]",
    ),
    rule(
        "PHONE",
        58,
        rf"(?<![0-9A-Za-z.\-:]){_AREA}[2-9][0-9]{{6,7}}(?![0-9A-Za-z\-]|\.[0-9])",
        start="0[0-9]{9}",
    ),
)
STARRED_PHONES = (rule("MOBILE", 70, rf"{L}1[3-9][0-9][*xX]{{4}}[0-9]{{4}}{R}", start="1[3-9][0-9][*xX]{4}"),)
CARDS_BY_CUE = (
    rule("BANK_CARD", 66, rf"{_BANK_CUE}{IS}(?P<v>[0-9]{{4}}(?:[ -]?[0-9]){{8,18}})(?![0-9A-Za-z])", _bank),
)
CARDS = (
    rule(
        "BANK_CARD",
        65,
        rf"(?<![0-9A-Za-z.\-])(?:62|4[0-9]|5[1-5]|35|37|9[0-9])[0-9]{{2}}"
        rf"(?:[0-9]{{9,15}}|(?P<g>[ -])[0-9]{{4}}(?P=g)[0-9]{{4}}(?P=g)[0-9]{{1,4}}(?:(?P=g)[0-9]{{1,3}})?){R}",
        lambda m: validators.luhn(m[0]),
        start=r"[34569](?<![0-9A-Za-z.\-].)[0-9]{3}",
    ),
)
BUSINESS_LINES = (rule("PHONE", 60, rf"{L}[48]00{DASH}?[0-9]{{3,4}}{DASH}?[0-9]{{3,4}}{R}"),)

_PERMIT_CLUE = pairs("身份 证件 会保 驶证 驾照 官证 残疾 业证 格证 护照 行证 胞证 乡证")
_PHONE_CLUE = pairs("电话 手机 系方 系号 热线 致电 拨打 传真 座机 固话 手提 总机 值班 te ph mo ce fa ho")

GROUPS = (
    Group(DIGIT, DIGITS, _SEVEN, IDENTITY, (Digits(17),)),
    Group(DIGIT, DIGITS, _SEVEN, PHONES, (Digits(10),)),
    Group(DIGIT, DIGITS, _SEVEN, STARRED_PHONES, (Digits(7), pairs("", ("*x", "*x")))),
    Group(DIGIT, DIGITS, _SEVEN, CARDS, (Digits(13),)),
    Group(DIGIT, frozenset("证份会照"), _FOUR, PERMITS, (Digits(6), _PERMIT_CLUE)),
    Group(
        DIGIT,
        frozenset("号码:：=＝DdNnＩR历案卡"),
        re.compile(r"[0-9０-９]{3}").search,
        RECORDS,
        (Digits(4, coded=True),),
    ),
    Group(
        DIGIT,
        frozenset("话机式码线电打真室提LlEeAaＬｌＥｅ"),
        words(
            "电话 手机 联系方式 联系号码 热线 致电 拨打 传真 座机 固话 手提 总机 值班室 tel Tel TEL hone HONE obile cell Cell fax Fax "
            "FAX otline Ｔｅｌ ＴＥＬ ｔｅｌ"
        ),
        PHONES_BY_CUE,
        (_PHONE_CLUE,),
    ),
    Group(
        DIGIT,
        frozenset("卡号户"),
        words("行卡 蓄卡 记卡 用卡 资卡 账号 帐号 账户 帐户 卡号"),
        CARDS_BY_CUE,
        (Digits(12), pairs("行卡 蓄卡 记卡 用卡 资卡 账号 帐号 账户 帐户 卡号")),
    ),
)
STRICT_GROUPS = (Group(DIGIT, frozenset("48４８"), _FOUR, BUSINESS_LINES),)
