"""Addresses: from the road and its number outwards, or from a cue such as 家住 onwards."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator

from chimed.privacy.clues import pairs
from chimed.privacy.rules import matches

_ROAD = re.compile(
    r"(?:路|街|大道|巷|弄|胡同|小区|花园|家园|新村|公寓|[一-鿿]苑)[ ]?(?:[东南西北中]段[ ]?)?[0-9]{1,5}[ ]?(?:号院?楼?|弄|栋|幢|座|#)"
)
# The same from its second character, from where it is found fast.
_ROAD_END = re.compile(r"[路街道巷弄同区园村寓苑][ ]?(?:[东南西北中]段[ ]?)?[0-9]{1,5}[ ]?[号弄栋幢座#]")
# Ends of words in which 路 is no road: 通路, 电路, 思路 …
_NO_ROAD = frozenset("通电线思回管气尿血脉退铁套径网一两二三几条")
# The character before an address: what follows it is the place.
_LEAD = frozenset("在到于至住是寄往从址为去给")
_SUFFIX = (
    "省|自治区|自治州|市|区|县|旗|镇|乡|街道|村|屯|路|大街|街|大道|巷|弄|胡同|小区|花园|家园|新村|公寓|社区|苑|"
    "(?<=[0-9A-Za-z一二三四五六七八九十])(?:号院|号楼|号|栋|幢|座|单元|楼|层|室|户|组|队)"
)
_SEGMENT = rf"(?:[一-鿿]{{1,10}}?|[一-鿿]{{0,6}}?[0-9A-Za-z\-#]{{1,8}}[ ]?)(?:{_SUFFIX})"
_TAIL = re.compile(
    r"(?:[ ]?(?:附|东|西|南|北)?[0-9A-Za-z一二三四五六七八九十\-]{1,6}(?:号院|号楼|号|栋|幢|座|单元|楼|层|室|户|弄)?)+"
)
_CUE = re.compile(
    r"(?:家庭住址|现住址|现居住?于?|现住|家住|住址|住在|居住于|收件地址|收货地址|通讯地址|家庭地址|地址|籍贯|户口所在地|户籍地?|(?<=[，。、 ])住)"
    r"[ ]*(?P<is>是|为|:)?[ ]*"
    rf"(?P<v>{_SEGMENT}(?:{_SEGMENT}|[，]?附?[0-9]{{1,4}}号?)*(?:[一-鿿]{{2,4}}(?=[，。；;、\s）)]|$))?)"
)
_CUE_START = re.compile(
    "[家现住居收通地户籍](?:(?<=[家现居收通地户籍])[庭住居件货讯址口籍贯]|(?<=住)(?:[址在]|(?<=[，。、 ]住)))"
)
_REGION = re.compile(r"[省市区县旗镇乡村州]")
_KIND_ONLY = re.compile(
    r"(?:.*[地疫小社山城农牧郊灾库辖矿特景院校病湿寒热]区|.*[城都超门]市|.{0,2}[农乡新山渔]村|.*城镇|.*[^一-鿿].*路|.*[一二三四五六七八九十两几0-9]楼|.*(?:这|那|同一|某)(?:个|栋)?[一-鿿]*)"
)  # fmt: skip


def _start(text: str, road: int) -> int:
    """Where the address begins whose road suffix is at `road`: after a lead word, else at the run of Chinese text."""
    start = road
    while start > 0 and road - start < 24 and "一" <= text[start - 1] <= "鿿" and text[start - 1] not in _LEAD:
        start -= 1
    return start


def _by_number(text: str) -> Iterator[tuple[int, int]]:
    for match in _ROAD.finditer(text) if _ROAD_END.search(text) else ():
        road = match.start() + (match[0][1:2] == "苑")
        start = _start(text, road)
        if road - start < 2 or (match[0][0] == "路" and road - start < 5 and text[road - 1] in _NO_ROAD):
            continue
        if text[max(0, start - 2) : start] in {"位于", "落于"} or text[max(0, start - 3) : start] == "坐落在":
            continue
        tail = _TAIL.match(text, match.end())
        yield start, tail.end() if tail and tail[0].strip() else match.end()


def _by_cue(text: str) -> Iterator[tuple[int, int]]:
    for match in matches(_CUE, _CUE_START, text):
        value = match["v"]
        first = re.match(_SEGMENT, value)
        if first and _KIND_ONLY.fullmatch(first[0]):
            continue
        parts = len(re.findall(_SUFFIX, value))
        enough = parts >= 2 or (match["is"] is not None and _REGION.search(value) and not value.endswith("省"))
        if enough and _REGION.search(value):
            yield match.span("v")


BY_NUMBER, BY_CUE = 1, 2
PLACE_CLUES = (
    (BY_NUMBER, pairs("", ("路街道巷弄同区园村寓苑", string.digits + " 东南西北中"))),
    (BY_CUE, pairs("住址 现住 现居 家住 住在 居住 地址 籍贯 户口 户籍", ("，。、 ", "住"))),
)
"""How an address is found: a bit, and what the text holds then."""


def addresses(text: str, where: int = BY_NUMBER | BY_CUE) -> Iterator[tuple[int, int]]:
    """Spans of postal addresses in a folded text; places that text says an institution lies at (位于) are left."""
    if where & BY_NUMBER:
        yield from _by_number(text)
    if where & BY_CUE:
        yield from _by_cue(text)
