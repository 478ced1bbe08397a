"""find: all rules over one text. A few cheap looks decide which rules a text needs at all; most texts need none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
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


@dataclass(frozen=True)
class Group:
    """Rules that share one gate: a look at the raw text that costs less than the rules."""

    gate: Callable[[str], object]
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Search:
    """What a search found: spans in order, and how many candidates protection or the name guard refused, by type."""

    spans: list[Span]
    suppressed: dict[str, int]


def _words(*literals: str) -> Callable[[str], object]:
    def gate(text: str) -> bool:
        return any(literal in text for literal in literals)

    return gate


_GROUPS = (
    Group(re.compile(r"[0-9０-９]{4}|[0-9０-９][*xX]{4}|[0-9０-９]{3}[-— 　][0-9０-９]{2}|[0-9０-９]{2} [0-9０-９]{2} [0-9０-９]{2}").search, patterns.DIGIT_RULES),
    Group(_words("出生", "生日", "生于", "生人", "日生", "月生", "DOB", "dob", "irth", "诞辰"), patterns.DOB_RULES),
    Group(_words("@", "＠", "(at)", "[at]", "(AT)"), patterns.EMAIL_RULES),
    Group(_words("://", "www", "WWW", "ｗｗｗ", ".com", ".cn", ".net", ".org", "．ｃ", "．com", "．cn"), patterns.URL_RULES),
    Group(_words("信", "wx", "WX", "vx", "VX", "Vx", "Wx", "echat", "eChat", "eixin", "加", "公众号", "ＷＸ", "ＶＸ", "ｖｘ", "ｗｘ"), patterns.WECHAT_RULES),
    Group(re.compile(r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-HJ-NP-ZＡ-Ｚ]").search, patterns.PLATE_RULES),
    Group(re.compile(r"[0-9０-９一二三四五六七八九十号]床").search, patterns.BED_RULES),
    Group(re.compile(r"(?:[9９][0-9０-９]|[1１][01０１][0-9０-９]|十.?|百)[\s周]{0,2}岁").search, patterns.AGE_RULES[:2]),
    Group(re.compile(r"[0-9０-９][ 　]?[日号]|[0-9０-９]{4}[-./年０-９0-9]").search, patterns.DATE_RULES),
)  # fmt: skip
_STRICT = (
    *_GROUPS,
    Group(_words("岁"), patterns.AGE_RULES[2:]),
    Group(_words("医院", "卫生院", "服务中心", "疗养院", "保健院"), patterns.HOSPITAL_RULES),
)
_NAME_GATE = re.compile(
    r"医[生师]|大夫|主任|教授|护[士师]|院长|先生|女士|小姐|阿姨|大[爷妈]|老师|专家|药师|姓[ 　]?名|我叫|名叫|名字[是叫]|本人|签[名字]|联系人|户名|"
    r"收[件货]人|监护人|主刀|术者|申请人|代理人|(?:患者|病人|患儿|家属|家长)[ ]*[:：]|者[ ]?[一-鿿]{2,4}[，、 （(]{0,2}(?:男|女|年龄|[0-9０-９])|"
    r"(?:患儿|病人|[产孕]妇|家属)[ ]?[一-鿿]{2,4}[，、 （(]{0,2}(?:男|女|年龄|[0-9０-９])|[，、,][ ]?[男女]性?[，、,]"
)
_PLACE_GATE = re.compile(r"(?:[路街道巷弄区园村寓苑]|胡同)[ 　东南西北中段]{0,3}[0-9０-９]|[居住址籍]")


def _matches(rule: Rule, folded: str) -> Iterator[Span]:
    for match in rule.pattern.finditer(folded):
        if rule.accept is not None and not rule.accept(match):
            continue
        for group in rule.groups:
            start, end = match.span(group) if group else match.span()
            if start >= 0:
                yield Span(start, end, rule.type, rule.priority)


def _candidates(text: str, profile: str) -> tuple[list[Span], int, str]:
    """All hits of all rules (with overlaps), the names refused, and the folded text (empty where no rule was needed)."""
    strict = profile == "strict"
    groups = [group for group in (_STRICT if strict else _GROUPS) if group.gate(text)]
    name, place = _NAME_GATE.search(text), _PLACE_GATE.search(text)
    if not (groups or name or place):
        return [], 0, ""
    folded = fold(text)
    found = [
        span for group in groups for rule in group.rules if strict or not rule.strict for span in _matches(rule, folded)
    ]
    refused = 0
    if name:
        spans, refused = names(folded)
        found += spans
    if place:
        found += [Span(start, end, "ADDRESS", 45) for start, end in addresses(folded)]
    return found, refused, folded


def search(text: str, profile: str = "standard", extra: list[Span] | None = None) -> Search:
    """Run the rules of a profile; `extra` are the spans of plug-ins. Medical numbers are protected (protect.py)."""
    found, refused, folded = _candidates(text, profile)
    found += extra or []
    suppressed = {"NAME": refused} if refused else {}
    if not found:
        return Search([], suppressed)
    areas = protected(folded or fold(text))
    kept = []
    for span in found:
        if span.type not in EXEMPT and overlaps(span, areas):
            suppressed[span.type] = suppressed.get(span.type, 0) + 1
        else:
            kept.append(span)
    return Search(resolve(kept), suppressed)


def find(text: str, profile: str = "standard") -> list[tuple[int, int, str]]:
    """Identifiers in a text as (start, end, type), offsets in characters of the text as given, without overlaps.

    Pure: no network, no model, no plug-in. Profile `strict` adds hospitals, all days, exact ages and 400/800 lines.
    """
    if profile == "off":
        return []
    return [(span.start, span.end, span.type) for span in search(text, profile).spans]
