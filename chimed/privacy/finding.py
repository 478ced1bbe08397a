"""find: all rules over one text. A few cheap looks decide which rules a text needs at all; most texts need none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from chimed.privacy import patterns
from chimed.privacy.names import names
from chimed.privacy.patterns import Rule
from chimed.privacy.places import addresses
from chimed.privacy.protect import EXEMPT, overlaps, protected
from chimed.privacy.spans import Span, fold, resolve

Profile = Literal["standard", "strict", "off"]
PROFILES: tuple[str, ...] = get_args(Profile)


_DIGIT, _LETTER = 1, 2


@dataclass(frozen=True)
class Group:
    """Rules with one gate: kinds of characters that must be there, one of some characters, a look at the raw text."""

    kinds: int
    characters: frozenset[str]
    gate: Callable[[str], object]
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Search:
    """What a search found: spans in order, and how many candidates protection or the name guard refused, by type."""

    spans: tuple[Span, ...]
    suppressed: dict[str, int]


NOTHING = Search((), {})


def _words(listed: str, *spaced: str) -> Callable[[str], object]:
    literals = (*listed.split(), *spaced)

    def gate(text: str) -> bool:
        for literal in literals:  # noqa: SIM110 - a loop costs a third of any() here, and this runs on every text
            if literal in text:
                return True
        return False

    return gate


_DIGITS = frozenset("0123456789０１２３４５６７８９")
_LETTERS = frozenset(chr(start + i) for start in (0x41, 0x61, 0xFF21, 0xFF41) for i in range(26))
# Every search starts with one class of characters: only then does the re module skip to it at full speed.
_LONG_NUMBER = re.compile(
    r"[0-9０-９](?:[0-9０-９]{3}|[0-9０-９]{0,2}[*xX]{4}|[0-9０-９]{2}[-—\s][0-9０-９]{2}|[0-9０-９] [0-9０-９]{2} [0-9０-９]{2})"
)
_DAY = re.compile(r"[0-9０-９](?:\s?[日号]|[0-9０-９]{3}[-./．－／年0-9０-９])")
_GREAT_AGE = re.compile(r"[9９1１九一](?:[0-9０-９]{1,2}|十.?|百.{0,3})[\s周]{0,2}岁")
_PLATE_START = re.compile(rf"[{patterns.PROVINCES}][A-HJ-NP-ZＡ-Ｚ]")
_BED = re.compile(r"[0-9０-９一二三四五六七八九十号]床")

_GROUPS = (
    Group(_DIGIT, _DIGITS, _LONG_NUMBER.search, patterns.DIGIT_RULES),
    Group(_DIGIT, frozenset("生诞Bb"), _words("出生 生日 生于 生人 日生 月生 DOB dob irth 诞辰"), patterns.DOB_RULES),
    Group(_LETTER, frozenset("@＠tT"), _words("@ ＠ (at) [at] (AT) （at）"), patterns.EMAIL_RULES),
    Group(
        _LETTER,
        frozenset(".．:：wWｗ"),
        _words("www .com .cn :// .net .org WWW ：// ｗｗｗ ．ｃ ．com"),
        patterns.URL_RULES,
    ),
    Group(
        0,
        frozenset("信xXｘＸ号加tnTN"),
        _words(
            "微信 公众号 wx WX vx VX Vx Wx 薇信 威信 V信 v信 加V 加v 加微 加我V 加我v echat eChat ECHAT eixin EIXIN ＶＸ ｖｘ ＷＸ",
            "微 信",
            "微\u3000信",
        ),
        patterns.WECHAT_RULES,
    ),
    Group(_DIGIT | _LETTER, frozenset(patterns.PROVINCES), _PLATE_START.search, patterns.PLATE_RULES),
    Group(0, frozenset("床"), _BED.search, patterns.BED_RULES),
    Group(0, frozenset("岁"), _GREAT_AGE.search, patterns.AGE_RULES[:2]),
    Group(_DIGIT, frozenset("院诊术娩查亡"), _DAY.search, patterns.DATE_RULES[:2]),
)
_STRICT = (
    *_GROUPS,
    Group(_DIGIT, _DIGITS, _DAY.search, patterns.DATE_RULES[2:]),
    Group(_DIGIT, frozenset("岁"), _words("岁"), patterns.AGE_RULES[2:]),
    Group(0, frozenset("院心"), _words("医院 卫生院 服务中心 疗养院 保健院"), patterns.HOSPITAL_RULES),
)
_NAME_ENDS = frozenset("生师夫任授士长姐姨爷妈家名叫签系收监刀术请代男女龄岁:：本")
_NAME_WORDS = _words(
    "医生 医师 大夫 主任 教授 护士 护师 院长 先生 女士 小姐 阿姨 大爷 大妈 老师 专家 药师 姓名 我叫 名叫 名字 本人 签名 "
    "签字 联系人 户名 收件人 收货人 监护人 主刀 术者 申请人 代理人 患者: 患者： 病人: 病人： 患儿: 患儿： 家属: 家属： 家长: 家长：",
    "姓 名", "姓\u3000名", "姓  名", "姓\u3000\u3000名",
)  # fmt: skip
_NAME_HEAD = re.compile(
    r"[患死伤病产孕家，、,](?:(?<=[患死伤])[者儿]|(?<=病)人|(?<=[产孕])妇|(?<=家)属|(?<=[，、,])\s?[男女]性?[，、,])|"
    r"家长|[父母]亲|儿子|女儿|爱人|丈夫|妻子|老[公婆]"
)
_SEXES = frozenset("男女岁龄月")
_PLACE_ENDS = frozenset("路街道巷弄区园村寓苑同居住址籍")
_PLACE = re.compile(r"[路街道巷弄区园村寓苑同居住址籍](?:(?<=[居住址籍])|[\s东南西北中段]{0,3}[0-9０-９])")


def _may_name(text: str, present: set[str]) -> bool:
    if present.isdisjoint(_NAME_ENDS):
        return False
    return bool(_NAME_WORDS(text) or (not present.isdisjoint(_SEXES) and _NAME_HEAD.search(text)))


def _may_place(text: str, present: set[str]) -> bool:
    return not present.isdisjoint(_PLACE_ENDS) and bool(_PLACE.search(text))


def _open(text: str, present: set[str], groups: tuple[Group, ...]) -> list[Group]:
    """The groups whose rules can find anything in the text."""
    kinds = (0 if present.isdisjoint(_DIGITS) else _DIGIT) | (0 if present.isdisjoint(_LETTERS) else _LETTER)
    return [
        group
        for group in groups
        if group.kinds & kinds == group.kinds and not present.isdisjoint(group.characters) and group.gate(text)
    ]


def _matches(rule: Rule, folded: str) -> Iterator[Span]:
    for match in rule.pattern.finditer(folded):
        if rule.accept is not None and not rule.accept(match):
            continue
        for group in rule.groups:
            start, end = match.span(group) if group else match.span()
            if start >= 0:
                yield Span(start, end, rule.type, rule.priority)


def _hits(rules: Iterable[Rule], folded: str, strict: bool) -> list[Span]:
    return [span for rule in rules if strict or not rule.strict for span in _matches(rule, folded)]


def search(text: str, profile: str = "standard", extra: list[Span] | None = None) -> Search:
    """Run the rules of a profile; `extra` are the spans of plug-ins. Medical numbers are protected (protect.py)."""
    strict = profile == "strict"
    present = set(text)
    groups = _open(text, present, _STRICT if strict else _GROUPS)
    name, place = _may_name(text, present), _may_place(text, present)
    if not (groups or name or place or extra):
        return NOTHING
    folded = fold(text)
    found = _hits((rule for group in groups for rule in group.rules), folded, strict) + (extra or [])
    spans, refused = names(folded) if name else ([], 0)
    found += spans
    if place:
        found += [Span(start, end, "ADDRESS", 45) for start, end in addresses(folded)]
    return _unprotected(found, folded, {"NAME": refused} if refused else {})


def _unprotected(found: list[Span], folded: str, suppressed: dict[str, int]) -> Search:
    """The hits that touch no medical number, without overlaps."""
    areas = protected(folded) if found else []
    kept = []
    for span in found:
        if span.type not in EXEMPT and overlaps(span, areas):
            suppressed[span.type] = suppressed.get(span.type, 0) + 1
        else:
            kept.append(span)
    return Search(tuple(resolve(kept)), suppressed)


def find(text: str, profile: str = "standard") -> list[tuple[int, int, str]]:
    """Identifiers in a text as (start, end, type), offsets in characters of the text as given, without overlaps.

    Pure: no network, no model, no plug-in. Profile `strict` adds hospitals, all days, exact ages and 400/800 lines.
    """
    if profile == "off":
        return []
    return [(span.start, span.end, span.type) for span in search(text, profile).spans]
