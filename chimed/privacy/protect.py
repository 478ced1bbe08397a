"""Numbers that look like identifiers and are medicine: approval, batch and trial numbers, doses, counts, prices."""

from __future__ import annotations

import re
from collections.abc import Iterable

from chimed.privacy.spans import Span

# These types carry their own proof (a cue, a checksum, a form), so a protected span does not overrule them.
EXEMPT = frozenset({"ID_CARD", "EMAIL", "URL", "MRN", "NAME", "ADDRESS", "DOB"})

_UNITS = (
    "mg g kg μg µg ug ng pg ml mL L l dl dL fl U u IU iu MU mU KU mmol μmol µmol nmol pmol mol mmHg cmH2O kPa cm mm nm km m "
    "bpm kcal kJ Gy Hz HU ppm copies COPIES 毫克 微克 克 千克 公斤 斤 毫升 微升 升 毫米 厘米 公里 米 单位 国际单位 次/分 "
    "% ‰ ℃ °C ° 度 元 万元 亿元 万 亿 拷贝 例 人次 台次 株 粒 片 盒 名 万人 人 吨 公顷 平方 美元 赫兹 千卡"
).split()
_UNIT = "|".join([*sorted(map(re.escape, _UNITS), key=len, reverse=True), "支(?!付)", "个(?!人)"])
_NUMBER = r"(?<![0-9])[0-9][0-9.,]*"
_IS = r"[ ]*(?:号码?|码)?[ ]*(?:是|为|:)?[ ]*"

_PROTECTED = re.compile(
    "|".join(
        [
            r"国药准字[ ]*[A-Za-z]?[0-9]{8}",
            r"(?:国械[注备]|国食药监械|国食健字|国药试字|卫食健字|国妆|卫药准字|药准字)[^0-9]{0,6}[0-9]{4,14}号?",
            r"(?:国食药监械|国食药监)[^0-9]{0,6}[0-9]{4}第[0-9]{4,10}号?",
            rf"(?:批准文号|注册证号|注册号|批号|标准号?|货号|规格|追溯码|条码|条形码|型号|有效期至?){_IS}"
            r"[A-Z]{0,4}[0-9][0-9A-Z\-]{3,}",
            r"(?:GB|YY|WS|YBH|YBZ|WS1)(?:/T)?[ ]*[0-9][0-9.\-]+",
            r"(?:NCT|(?i:PMID|PMCID|ChiCTR|ISBN|ISSN|CAS)(?:[ ]*(?:号|No\.?))?)[ :\-]*[A-Z\-]{0,6}[0-9][0-9\-Xx]+",
            r"(?<![A-Za-z])rs[0-9]{3,}",
            r"10\.[0-9]{4,9}/[^\s，。；]+",
            rf"{_NUMBER}(?:[ ]*[~～\-—–至到][ ]*[0-9.]+)?(?:[ ]*[×xX*][ ]*10\^?[0-9]+)?[ ]*(?:{_UNIT})(?![A-Za-z])",
            r"\[(?:(?:QQ)?[一-鿿]{1,6}|[A-Z_]{2,20})\]",
        ]
    )
)


def protected(folded: str) -> list[tuple[int, int]]:
    """The spans that no identifier rule may change, of a folded text."""
    return [match.span() for match in _PROTECTED.finditer(folded)]


def overlaps(span: Span, areas: Iterable[tuple[int, int]]) -> bool:
    """Whether a span touches one of the areas."""
    return any(span.start < end and start < span.end for start, end in areas)
