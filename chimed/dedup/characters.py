"""Which characters have a part in numbers, and which part: digits, numerals, units, signs, comparators, words, spaces.

`normalise` packs these classes into its table, `numbers` reads sequences of numbers by them.
"""

from __future__ import annotations

import unicodedata

DIGIT, NUMERAL, OTHER, UNIT, SIGN, COMPARE, WORD, SPACE = (1 << i for i in range(8))
VALUE = DIGIT | NUMERAL | OTHER
STARTING = VALUE | COMPARE
ROMAN = [ord(char) for char in "IVX"]

_NUMERALS = "零〇一二三四五六七八九十百千万亿萬億两兩半几幾双雙廿卅壹贰叁肆伍陆柒捌玖拾佰仟"
_UNITS = (
    "毫微纳克斤公升米厘分钱钱国际单位片粒丸颗支瓶袋包滴喷贴枚次遍回天日周月年岁小时秒钟刻点星期个名位例人度倍成摩尔当量"
    "卡焦帕汞柱口勺匙杯碗剂服副付帖料味疗程级期型代胎对只条块根针管盒板号类型岁床步行题组株种胸腰颈指区段房室尖瓣孔"
    "納錢國際單顆貼歲時鐘點個當劑療級對隻條塊針號類組種區"
)
_WORDS = "大小高低多少于於等超过過不足到至达達约約近最逾满滿未每共第之仅僅以上下内內外左右余餘"
_SIGNS = {"-": "-−‐‑‒–—﹣－⁻", "+": "+＋﹢⁺", "~": "~～〜∼", ".": ".．", ",": ",", "×": "×✕*＊",
          "^": "^＾", ":": ":：∶", "=": "=＝", "·": "·•・‧"}  # fmt: skip
_COMPARE = {"≥": "≥≧⩾", "≤": "≤≦⩽", "<": "<＜﹤", ">": ">＞﹥", "±": "±", "≠": "≠", "≈": "≈≒", "≮": "≮", "≯": "≯"}


def classes() -> dict[int, tuple[int, int]]:
    """Code point -> (class bits, character that stands in the sequence), for all characters with a part in numbers."""
    found: dict[int, tuple[int, int]] = {}
    for code in range(0x110000):
        char = chr(code)
        category = unicodedata.category(char)
        if category == "Nd":
            found[code] = (DIGIT, ord("0") + unicodedata.decimal(char))
        elif category in {"Nl", "No"}:
            found[code] = (OTHER, code)
        elif category == "Zs" or char == "\t":
            found[code] = (SPACE, ord(" "))
        elif 0x3371 <= code <= 0x33DF:  # ㎎, ㎖, ㏄ …: one character, one unit
            found[code] = (UNIT, code)
    for char in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/%":
        # Case stays (mU is not MU), but for litres, which are written both ways.
        found[ord(char)] = found[ord(char) + 0xFEE0] = (UNIT, ord("l" if char == "L" else char))
    for char in "αβγμµΩωÅ°℃℉‰‱′″Ωʹ":
        found[ord(char)] = (UNIT, ord("μ" if char == "µ" else char))
    found.update({ord(c): (UNIT, ord(c)) for c in _UNITS})
    found.update({ord(c): (WORD, ord(c)) for c in _WORDS})
    found.update({ord(c): (NUMERAL, ord(c)) for c in _NUMERALS})
    for kind, signs in ((SIGN, _SIGNS), (COMPARE, _COMPARE)):
        found.update({ord(c): (kind, ord(canonical)) for canonical, written in signs.items() for c in written})
    return found
