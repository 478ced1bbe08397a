"""Where a text may hold names at all: cheap looks for the cues, the heads of case histories and the titles of names.py."""

from __future__ import annotations

import re
from collections.abc import Callable

from chimed.privacy.clues import Clue, pairs
from chimed.privacy.rules import words

CUES, HEADS, TITLED = 1, 2, 4
_CUE_ENDS = frozenset("名叫签字系收监士刀术请代:：本")
_CUE_WORDS = words(
    "姓名 我叫 名叫 名字 本人 签名 签字 联系人 户名 收件人 收货人 监护人 责任护士 主刀 术者 申请人 代理人 "
    "医生: 医生： 医师: 医师： 护士: 护士： 者: 者： 病人: 病人： 患儿: 患儿： 家属: 家属： 家长: 家长： 主治 经治 管床 主管 接诊",
    "姓 名", "姓\u3000名", "姓  名", "姓\u3000\u3000名",
)  # fmt: skip
_SEXES = frozenset("男女岁龄月年话机证号系")
_HEAD_WORDS = re.compile(
    r"[患死伤病产孕家父母儿女爱丈妻老，、,](?:(?<=[患死伤])[者儿]|(?<=病)人|(?<=[产孕])妇|(?<=家)[属长]|(?<=[父母])亲|(?<=[儿女])[子儿]|"
    r"(?<=爱)人|(?<=丈)夫|(?<=妻)子|(?<=老)[公婆]|(?<=[，、,])\s?[男女]性?[，、,])"
).search
_TITLE_ENDS = frozenset("生师夫任授士长姐姨爷妈家")
_TITLE_WORDS = words("医生 医师 大夫 主任 教授 护士 护师 院长 先生 女士 小姐 阿姨 大爷 大妈 老师 专家 药师")


_CUE_CLUE = pairs(
    "姓名 我叫 名叫 人叫 字是 字叫 师签 生签 签名 签字 系人 户名 件人 货人 护人 任护 主刀 术者 请人 理人 本人",
    ("姓", " "), ("治床管告核查断录检诊院醉术", "医者"), ("生士者人儿属长", ": "),
)  # fmt: skip
_HEAD_CLUE = pairs(
    "患者 病人 患儿 产妇 孕妇 死者 伤者 家属 家长 父亲 母亲 儿子 女儿 爱人 丈夫 妻子 老公 老婆", ("，、, ", "男女")
)
_TITLE_CLUE = pairs("医生 医师 大夫 主任 教授 护士 护师 院长 先生 女士 小姐 阿姨 大爷 大妈 老师 专家 药师")


# Where names may be: a bit, characters of which one must be there, a look at the raw text, clues.
NAME_GATES: tuple[tuple[int, frozenset[str], Callable[[str], object], tuple[Clue, ...]], ...] = (
    (CUES, _CUE_ENDS, _CUE_WORDS, (_CUE_CLUE,)),
    (HEADS, _SEXES, _HEAD_WORDS, (_HEAD_CLUE,)),
    (TITLED, _TITLE_ENDS, _TITLE_WORDS, (_TITLE_CLUE,)),
)
