"""Personal names: after a cue, in the head of a case history, before a title. The guard refuses what is a word."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chimed.privacy.lexicon import (
    CLEAR,
    COMMON_WORD,
    COMPOUND,
    GIVEN,
    ILLNESS,
    NEVER_ALONE,
    PLAIN_WORD,
    REFUSED,
    SURNAMES,
    UNLIKELY,
    WISHES,
    is_word,
)  # fmt: skip
from chimed.privacy.name_gates import CUES, HEADS, TITLED
from chimed.privacy.rules import matches
from chimed.privacy.spans import Span, boundary

_TITLES = (
    "副主任医师|主任医师|主治医师|主治医生|住院医师|住院医生|副主任|主管护师|副教授|护士长|主任|医生|医师|大夫|教授|护士|院长|先生|女士|"
    "小姐|阿姨|大爷|大妈|老师|专家|药师"
)
_TITLE = re.compile(rf"(?:{_TITLES})(?!指导|建议|处方)")
_TITLE_HERE = re.compile(_TITLES)
# The character before a lone surname inside a sentence that makes it one: 找周医生, 谢谢李医生.
_LEAD = frozenset("谢问找请给跟和与是由让叫听挂约了到见好您你")
# 谢医生 is a name when the doctor is greeted, and thanks when not.
_GREETED = re.compile(r"[您你]好|[，,：:]")
_NUMERALS = frozenset("0123456789一二两三四五六七八九十几这那每上下本整半")

_EXPLICIT = re.compile(
    r"(?:(?P<own>姓[ ]{0,4}名|我叫|名叫|本人叫|名字(?:是|叫))|"
    r"(?:主治|经治|管床|主管|报告|审核|检查|诊断|记录|送检|接诊|住院|麻醉|手术)(?:医师|医生|者)|医[师生]签[名字]|签[名字]|"
    r"联系人|户名|开户名|收[件货]人|监护人|责任护士|主刀(?:医[师生])?|术者|申请人|法定代理人|本人)"
    r"[ ]*(?P<is>是|为|[:])?[ ]*"
)
_EXPLICIT_START = re.compile(
    "[姓我名本主经管报审检诊记送接住麻手医签联户开收监责术申法][ 名叫字人治管床告核查断录检诊院醉术师生系户件货护任刀者请定]"
)
_ROLE = re.compile(r"(?:(?<![一-鿿])医生|护士|患者|病人|患儿|家属|家长)[ ]*:[ ]*")
_ROLE_START = re.compile("[医护患病家][生士者人儿属长][ ]*:")
_ROLE_END = re.compile(r"[ \n，。(；]|$")
_HEAD = re.compile(
    r"(?:患者家属|患者|病人|患儿|产妇|孕妇|死者|伤者|家属)[ ]?"
    r"(?=[一-鿿]{2,4}[，、, (]{0,2}(?:男|女|年龄|[0-9]{1,3}[ ]?(?:周?岁|个?月)|电话|手机|身份证|住院号|病历号|联系))"
)
_KIN = re.compile(
    r"(?:家长|父亲|母亲|儿子|女儿|爱人|丈夫|妻子|老公|老婆)[ ]?(?=[一-鿿]{2,4}[，、 (]{0,2}(?:男|女|今年|[0-9]{1,3}[ ]?(?:周?岁|个月)))"
)
_SEX = re.compile(r"[，、, (]{0,2}(?:男|女|年龄|今年|[0-9]|电话|手机|身份证|住院号|病历号|联系)")
# The head of a case history without a cue (张某某，男，45岁), by what stands after the name: nothing else is so rare.
_OPENING = re.compile(r"[，、,](?=[ ]?[男女]性?[，、,][ ]?[0-9])")
_OPENED = re.compile(r"(?:^|(?<=[，。；\n\s]))[一-鿿]{2,4}(?=[，、,])")
_FOREIGN = re.compile(r"[一-鿿]{1,8}(?:[·•][一-鿿]{1,8}){1,3}")
_CHINESE = re.compile(r"[一-鿿]*")
_ANONYMOUS = re.compile(r"[一-鿿]某[甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉戌亥]")

_ANY = SURNAMES | UNLIKELY
_NAMING = _ANY | frozenset("".join(COMPOUND))


def _given(text: str) -> bool:
    return all("一" <= c <= "鿿" for c in text) and not REFUSED.intersection(text)


def _likely(given: str) -> bool:
    return bool(given) and all(c in GIVEN or c == "某" for c in given)


def _split(run: str, size: int, surnames: frozenset[str]) -> str | None:
    """The given name in the first `size` characters of `run`, if they read as surname and given name."""
    if size >= 3 and run[:2] in COMPOUND:
        return run[2:size]
    if 2 <= size <= 3 and run[:1] in surnames:
        return run[1:size]
    return None


def _at(text: str, position: int, surnames: frozenset[str]) -> str | None:
    """The name that starts at `position`, cut where the run of Chinese text ends or the name plainly does."""
    found = _CHINESE.match(text, position)
    run = found[0][:8] if found else ""
    if _ANONYMOUS.match(run):
        return None
    longest = 4 if run[:2] in COMPOUND else 3
    for size in range(longest, 1, -1):
        given = _split(run, size, surnames)
        if given is None or len(given) != size - (longest - 2) or not _given(given):
            continue
        if len(run) == size or (_likely(given) and not is_word(run[size - 1 : size + 1], COMMON_WORD)):
            return run[:size] if not _TITLE_HERE.search(run[: size + 2]) else None
    return None


def _common(name: str) -> bool:
    """Whether a candidate is an ordinary word; a compound surname never is (欧阳 stands in the dictionary)."""
    return name[:2] not in COMPOUND and is_word(name, PLAIN_WORD if not _likely(name[1:]) else COMMON_WORD)


def _cued(text: str, match: re.Match[str]) -> str | None:
    """The name after an explicit cue. A role without a colon (联系人管理) needs a name that ends where the text does."""
    foreign = _FOREIGN.match(text, match.end()) if match["is"] else None
    if foreign:
        return foreign[0]
    name = _at(text, match.end(), _ANY if match["is"] else SURNAMES)
    if name is None or match["is"] or match["own"]:
        return name
    ends = not _CHINESE.match(text, match.end() + len(name))[0]  # type: ignore[index]
    plain = not _likely(name[1:]) or _common(name)
    return name if (ends and not plain) or name[1:] in {"某", "某某"} else None


def _after_cues(text: str) -> Iterator[Span]:
    for match in matches(_EXPLICIT, _EXPLICIT_START, text):
        name = _cued(text, match)
        if name:
            yield Span(match.end(), match.end() + len(name), "NAME", 55)
    for match in matches(_ROLE, _ROLE_START, text):
        name = _at(text, match.end(), SURNAMES)
        if name and _likely(name[1:]) and not _common(name) and _ROLE_END.match(text, match.end() + len(name)):
            yield Span(match.end(), match.end() + len(name), "NAME", 55)


def _heads_case(name: str, given: str, opened: bool) -> bool:
    """Whether what stands before 男 or an age is a name and no complaint (患者白带，35岁) or word (孕妇尤其孕3个月)."""
    if not _given(given) or ILLNESS.intersection(given) or _TITLE_HERE.search(name) or _common(name):
        return False
    return _likely(given) or not (opened or is_word(name[:2], COMMON_WORD) or is_word(given, COMMON_WORD))


def _heads(text: str) -> Iterator[tuple[int, bool]]:
    """Where a name may begin in the head of a case history, and whether the guard must be strict there."""
    for match in _HEAD.finditer(text):
        yield match.end(), False
    for match in _OPENING.finditer(text):
        before = (_OPENED.match(text, match.start() - size) for size in (2, 3, 4) if size <= match.start())
        yield from ((name.start(), True) for name in before if name and name.end() == match.start())
    for match in _KIN.finditer(text):
        yield match.end(), True


def _in_heads(text: str) -> Iterator[Span | None]:
    for start, opened in _heads(text):
        run = text[start : start + 4]
        for size in (2, 3, 4):
            given = _split(run, size, _ANY)
            if given and _SEX.match(text, start + size):
                good = _heads_case(run[:size], given, opened)
                yield Span(start, start + size, "NAME", 55) if good else None
                break


def _compound_before(text: str, title: int) -> int | None:
    for given in (2, 1, 0):
        start = title - 2 - given
        if start >= 0 and text[start : start + 2] in COMPOUND and _given(text[start + 2 : title]):
            return start if given == 0 or boundary(text, start) or _likely(text[start + 2 : title]) else None
    return None


def _crosses(text: str, start: int, size: int) -> bool:
    """Whether the surname at `start` belongs to a word with what stands before it (感谢, 主任, 黑龙江)."""
    if is_word(text[max(0, start - 1) : start + 1]):
        return True
    return size == 1 and start >= 2 and is_word(text[start - 2 : start + 1])


def _full_before(text: str, start: int, title: int) -> bool:
    """Whether a surname with a given name of one or two characters stands before the title."""
    name, given = text[start:title], text[start + 1 : title]
    if not _given(given) or _common(name) or (name[0] in WISHES and is_word(given)):
        return False
    if boundary(text, start):
        if name[0] in UNLIKELY:
            return _likely(given) and not is_word(name[:2]) and not is_word(given)
        return _likely(given) or not (is_word(given, COMMON_WORD) or is_word(name[:2], COMMON_WORD))
    if name[0] in UNLIKELY:
        return False
    return _likely(given) and not _crosses(text, start, len(name)) and not is_word(name[:2], COMMON_WORD)


def _alone_before(text: str, start: int, title: str) -> bool:
    """Whether a lone surname stands before the title."""
    surname = text[start]
    if surname in NEVER_ALONE or title == "专家":
        return False
    if surname == "谢" and not _GREETED.match(text, start + 1 + len(title)):
        return False
    if boundary(text, start):
        return start == 0 or text[start - 1] not in _NUMERALS
    if _crosses(text, start, 1) or text[start - 1] in _NUMERALS:
        return False
    return surname in CLEAR or text[start - 1] in _LEAD


def _before_titles(text: str) -> Iterator[Span | None]:
    for match in _TITLE.finditer(text):
        title = match.start()
        if _NAMING.isdisjoint(text[max(0, title - 4) : title]):
            continue
        start = _compound_before(text, title)
        candidates = [title - n for n in (3, 2, 1) if title >= n and text[title - n] in (SURNAMES if n < 3 else _ANY)]
        if start is None:
            start = next((s for s in candidates if _is_name(text, s, title, match[0])), None)
        if start is not None:
            yield Span(start, title, "NAME", 35)
        elif candidates:
            yield None


def _is_name(text: str, start: int, title: int, word: str) -> bool:
    return _alone_before(text, start, word) if title - start == 1 else _full_before(text, start, title)


def names(text: str, where: int = 7) -> tuple[list[Span], int]:
    """Names in a folded text (in the places of name_gates.py that are open), and how many candidates the guard refused."""
    found: list[Span] = list(_after_cues(text)) if where & CUES else []
    refused = 0
    for span in (*(_in_heads(text) if where & HEADS else ()), *(_before_titles(text) if where & TITLED else ())):
        if span is None:
            refused += 1
        else:
            found.append(span)
    return [span for span in found if not _ANONYMOUS.fullmatch(text, span.start, span.end)], refused


def plausible(name: str) -> bool:
    """The guard for names that others propose: refuses dictionary words and characters of illness and grammar."""
    return not (REFUSED.intersection(name) or _common(name))
