"""Rules for addresses of the net: e-mail, URL, WeChat, QQ."""

from __future__ import annotations

import re
import string

from chimed.privacy.clues import BLANK, Digits, pairs
from chimed.privacy.rules import DIGIT, IS, LETTER, MOBILE, Group, L, Match, R, S, rule, words


def _account(match: Match) -> bool:
    """A name of letters alone after a cue without 号 or a colon is a word of English, not an account."""
    return any(c in "0123456789_-" for c in match["v"]) or any(c in match["is"] for c in ":=号(")


_ACCOUNT = rf"[A-Za-z][-_A-Za-z0-9]{{5,19}}(?![-_A-Za-z0-9@])|{MOBILE}(?![0-9])"
_WECHAT_START = "[微公薇威VvWw][信众 EeXx]"
_WECHAT_CUE = (
    r"(?:微信公众号|公众号|微信|薇信|威信|微 信|[Vv]信|(?<![0-9A-Za-z])(?i:wechat|weixin|vx|wx)(?![A-Za-z]))"
    r"(?:[/、和或及&](?:QQ|qq|电话|手机))?(?:同号|联系|添加|搜索?|账号|帐号)?"
)
_QQ_CUE = r"(?:(?<![A-Za-z])[Qq][Qq]|扣扣|企鹅|球球|(?<![A-Za-z])[Qq](?=号|群|:))(?:[/、和或及&](?:微信|电话|手机))?(?:联系|添加|搜索?)?"
_QQ = r"[1-9][0-9]{4,11}(?![0-9A-Za-z@.*])"
_URL_CHARACTER = r"[^\s一-鿿，。；！？、）)】」》<>\"'“”‘’\]]"
_URL_END = r"[^\s一-鿿，。；！？、）)】」》<>\"'“”‘’\].,:;!?]"

# Names of XML vocabularies: they look like addresses, and code breaks without them.
_VOCABULARY = re.compile(r"(?i:https?://)?(?:www\.w3\.org|schemas\.[a-z.]+)/")


def _site(match: Match) -> bool:
    return _VOCABULARY.match(match[0]) is None


EMAILS = (
    rule(
        "EMAIL",
        90,
        rf"{L}[A-Za-z0-9._%+\-]+ ?(?:@|[(\[](?:at|AT)[)\]]) ?[A-Za-z0-9\-]+(?: ?(?:\.|[(\[]dot[)\]]) ?[A-Za-z0-9\-]+)+",
        start=r"[A-Za-z0-9._%+\-](?<![0-9A-Za-z].)[A-Za-z0-9._%+\-]* ?[@(\[]",
    ),
)
_MORE_DOMAINS = "edu|gov|info|top|vip|cc|io|me|tv|xyz|club|shop|app"
_NAME_OF_SITE = r"(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,40})\.)+"
_SITE_START = r"[A-Za-z0-9](?<![A-Za-z0-9.@_/\-].)[A-Za-z0-9\-]*\."
URLS = (
    rule(
        "URL",
        90,
        rf"(?:(?i:https?|ftp)://|(?<![A-Za-z0-9.])(?i:www)\.){_URL_CHARACTER}*{_URL_END}",
        _site,
        "[HhFfWw][TtWw][TtPpWw]",
    ),
    rule(
        "URL",
        88,
        rf"(?<![A-Za-z0-9.@_/\-]){_NAME_OF_SITE}(?:com|cn|org|net)(?![A-Za-z0-9_.(\-])"
        rf"(?:/{_URL_CHARACTER}*)?",
        start=_SITE_START,
    ),
    rule("URL", 88, rf"(?<![A-Za-z0-9.@_/\-]){_NAME_OF_SITE}(?:{_MORE_DOMAINS})/{_URL_CHARACTER}*", start=_SITE_START),
    rule(
        "URL",
        88,
        rf"(?:网址|网站|官网|链接|主页|域名){IS}(?P<v>{_NAME_OF_SITE}[A-Za-z]{{2,6}}(?![A-Za-z0-9_.(\-])(?:/{_URL_CHARACTER}*)?)",
    ),
)
WECHAT = (
    rule("WECHAT", 85, rf"{_WECHAT_CUE}(?P<is>{IS})(?P<v>{_ACCOUNT})", _account, _WECHAT_START),
    rule("WECHAT", 85, rf"微信(?:同号|账号)?{S}(?:号码?|ID|id){S}[:是为]?{S}(?P<v>[1-9][0-9]{{5,10}})(?![0-9A-Za-z.])"),
    rule(
        "WECHAT",
        85,
        rf"(?<![增追添外])加(?P<is>{S}(?:[Vv微薇]|我[Vv微薇])(?:{S}:{S}|[ ]))(?P<v>{_ACCOUNT})",
        _account,
        "加",
    ),
    rule(
        "WECHAT",
        85,
        rf"{L}(?:(?i:vx)(?P<v>[A-Za-z]{{2,}}[0-9]{{3,}}[-_A-Za-z0-9]*)|(?P<w>wxid_[0-9A-Za-z]+)){R}",
        start="[Vvw][Xx]",
    ),
)
QQ = (
    rule("QQ", 80, rf"{_QQ_CUE}群?{IS}(?P<v>{_QQ})", start="[Qq扣企球][Qq扣鹅球号群:]"),
    rule("QQ", 80, rf"加{S}[Qq]{S}:?{S}(?P<v>{_QQ})"),
)

_AT = pairs("(a [a", (string.ascii_lowercase + string.digits + "._%+- ", "@"))
_SITE = pairs("// w. .c .o .n u/ v/ o/ p/ c/ e/ z/ b/ 网址 网站 官网 链接 主页 域名")
_WECHAT = pairs("微信 众号 薇信 威信 v信 we vx wx", ("微", " "), ("加", "v微薇我" + BLANK))
_NUMBERED = pairs("qq q号 q群 q: 扣扣 企鹅 球球 加q", ("加", BLANK))

GROUPS = (
    Group(LETTER, frozenset("@＠tTｔ"), words("@ ＠ ａｔ (at) [at] (AT) [AT] （at）"), EMAILS, (_AT,)),
    Group(
        LETTER,
        frozenset(".．:：wWｗ"),
        words("www .com .cn :// .net .org WWW Www ：// ：／／ ｗｗｗ ．ｃ ．com 网址 网站 官网 链接 主页 域名 "
            ".edu/ .gov/ .info/ .top/ .vip/ .cc/ .io/ .me/ .tv/ .xyz/ .club/ .shop/ .app/ ．cn ．ｎ ．ｏ"),
        URLS,
        (_SITE,),
    ),
    Group(0, frozenset("信号"), words("微信 公众号 薇信 威信 V信 v信", "微 信", "微\u3000信"), WECHAT, (_WECHAT,)),
    Group(0, frozenset("加"), re.compile(r"加[ \u3000我]{0,2}[VvＶｖ微薇]").search, WECHAT, (_WECHAT,)),
    Group(LETTER, frozenset("xXｘＸtT"), words("wx vx WX VX Vx Wx echat eChat ECHAT eixin EIXIN ＶＸ ｖｘ ＷＸ ｗｘ"), WECHAT, (_WECHAT,)),
    Group(DIGIT, frozenset("QqＱｑ扣鹅球"), words("Q q Ｑ ｑ 扣扣 企鹅 球球"), QQ, (_NUMBERED, Digits(5))),
)  # fmt: skip
