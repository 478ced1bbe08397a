"""The answer that a generation gives to a multiple-choice question, in named tiers.

Tier 1: the answer is declared (答案是B). 2: it is chosen (故选B). 3: it opens the text or stands alone at its end.
4: an option is called right (B正确). 5: the text of an option is given. `none`: no answer. Raw generations are kept
beside the tier, so that a later rule can score them again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from qilin_stages.evals import english
from qilin_stages.evals.letters import Options, Run, bounded, normalise, read_run


@dataclass(frozen=True)
class Extracted:
    """Sorted option letters, or None where there is no answer, and the tier that found them."""

    letters: str | None
    tier: str


NONE = Extracted(None, "none")
_LINK = (
    r"(?:应该|应当|应|可能|就|只能|只有|也|便|显然|最可能)*(?:是|为|选择|选项|选|即|有|包括|is)*"
    r"[ \t]*(?:[:】\])]\s*)?[:(【\[\"“‘「『 \t]*"
)
_ANSWER = re.compile(
    r"(?:答案|正确选项|正确的?(?:选项|说法|叙述|描述|答案)|正确的(?=是|为|有|选)|[Aa]nswer|(?:^|(?<=[\s。,;】]))答(?=[:是为]))"
    rf"[】)\]]?\s?{_LINK}"
)
_CHOOSE = re.compile(
    rf"(?:选择?(?!项)|选项(?=[是为:])|而是|应该?是|应为|倾向于?|(?:不正确|不属于|不符合|错误|不恰当)的(?:选项|说法)?(?=[是为]))(?:了|出)?{_LINK}"
)
_HENCE = re.compile(r"(?:因此|所以|综上(?:所述)?|总之|故|只?剩下?(?:的|了)?)[,:]?[ \t]*(?:就?是|为)?[ \t]*")
_NOT_BEFORE = re.compile(
    r"(?:不是|并非|与其|排除|错误的?|不正确的?|非|(?:不|勿|可|别|误|没有?|错|是否|为何|为什么|如果|若)"
    r"(?:会|能|要|宜|该|可以?|应该?|应当|再|一定)?(?:去|把)?)$"
)
_WRONG_AFTER = re.compile(
    r"[ \t]*(?:选?项[ \t]*:[ \t]*|这?[一二两三四]?个?(?:项|选项|者)?)?(?:是|都|均|也|皆|全|的说法|的描述|选项|显然|明显|,?为|就)*[ \t]*"
    r"(?:错|有误|误|不(?:正确|对|符|成立|合|恰当|妥|能选|可选|应选|适[合宜用]|予考虑|考虑|属于|准确|可能)|可以?排除|被排除|排除"
    r"|不是(?=正确|答案|最佳|[。,;\n]|$)|[×✗✘❌])"
    r"|是[^。,;\n]{0,6}错误|,这[^。,;\n]{0,6}(?:错|不对)"
)
_EDGE = re.compile(r"\s*(?:$|[\s。.,、;:!?)\]】\"”(]|项|选项|是|为|正确|对|符合|最|都|均|两|三|四)")
_RIGHT_AFTER = re.compile(
    r"[ \t]*(?:选?项[ \t]*:[ \t]*|这?[一二两三四五]?个?(?:项|选项|者|种)?)?"
    r"(?:是|都|均|也|皆|全|才|的说法|的描述|说法|最|为|选项|完全|全部)*(?:正确|对(?![于应照症抗策比侧称])|符合题意|符合|恰当|准确|合适|[√✓✔])"
)
_EXPLAIN = re.compile(r"解释|解析|理由|分析")
_NEXT_QUESTION = re.compile(r"\n\s*(?:问题|题目|问|Question|Q|\[Round)\s*[:\d(\[]")
_REJECTED = re.compile(
    r"(?:不是|而非|并非|排除|不用|不宜|禁用|不选|不考虑|不属于|不能用|不应用|不应选|慎用|忌用|除外|非)"
    r"(?:选用|使用|用)?[ \t:\"“]*$"
)


def extract(text: str, options: dict[str, str], *, cot: bool = False) -> Extracted:
    """The answer of `text` given `options` {letter: text}; with `cot` the last verdict counts, not the first."""
    known = Options.of(options)
    whole = normalise(text)
    if after := _NEXT_QUESTION.search(whole):
        whole = whole[: after.start()].strip() or whole
    if only := _equal_text(whole, known):
        return Extracted(only, "5")
    parts = [whole] if cot else [_EXPLAIN.split(whole, maxsplit=1)[0].strip(" \t\n【(["), whole]
    for tiers in ((_verdicts, _opening, _called_right), (_contained,)):
        for part in parts:
            for tier in tiers:
                if found := tier(part, known, cot):
                    return found
    return NONE


def _equal_text(text: str, options: Options) -> str:
    bare = text.strip(' \t\n。.,;!"“”')
    same = [letter for letter, own in options.texts.items() if own and own == bare and len(own) > 1]
    return same[0] if len(same) == 1 else ""


def _verdicts(text: str, options: Options, cot: bool) -> Extracted | None:
    """Tiers 1 and 2: first match of the better tier; with cot the last match of both."""
    declared = [(run, "1") for run in (*_after(_ANSWER, text, options), *english.declared(text, options))]
    chosen = [(run, "2") for run in _after(_CHOOSE, text, options)]
    chosen += [(run, "2") for run in (*_after(_HENCE, text, options, strict=True), *english.chosen(text, options))]
    if cot:
        found = max(declared + chosen, key=lambda f: f[0].start, default=None)
    else:
        found = min(declared or chosen, key=lambda f: f[0].start, default=None)
    return Extracted(found[0].letters, found[1]) if found else None


def _after(marker: re.Pattern[str], text: str, options: Options, *, strict: bool = False) -> Iterator[Run]:
    for match in marker.finditer(text):
        if _NOT_BEFORE.search(text, 0, match.start()) and not match.group().startswith(("而是", "不", "错误")):
            continue
        run = read_run(text, match.end(), options)
        if run and run.letters and not _judged_wrong(text, run.end) and (not strict or _EDGE.match(text, run.end)):
            yield run


def _judged_wrong(text: str, at: int) -> bool:
    return bool(_WRONG_AFTER.match(text, at) or english.WRONG_AFTER.match(text, at))


def _opening(text: str, options: Options, cot: bool) -> Extracted | None:
    """Tier 3: a run at the start that is not judged right or wrong, or one alone on the last line; no option list."""
    lines = text.split("\n")
    if sum(bool(re.match(r"\s*[A-H][.、:) ]", line)) for line in lines) >= max(3, len(options.texts)):
        return None
    at = len(text) - len(text.lstrip('([【"“「『 \n'))
    first, last = read_run(text, at, options), _alone(lines[-1], options)
    judged = first and (_judged_wrong(text, first.end) or _RIGHT_AFTER.match(text, first.end))
    opens = first and _EDGE.match(text, first.end) and not judged
    order = [last, first if opens else None] if cot else [first if opens else None, last]
    return next((Extracted(run.letters, "3") for run in order if run and run.letters), None)


def _alone(line: str, options: Options) -> Run | None:
    bare = line.strip(' \t。.()[]【】「」『』"“”')
    run = read_run(bare, 0, options)
    return run if run and run.end == len(bare) else None


def _called_right(text: str, options: Options, cot: bool) -> Extracted | None:
    """Tier 4: runs followed by 正确 or 对; else a bare 选项X if it is the only letter named so."""
    hidden = _inside_terms(text, options)
    right, named = "", ""
    at = 0
    while token := re.compile(r"(?<![A-Za-z0-9-])[A-H]").search(text, at):
        at = token.end()
        run = None if token.start() in hidden else read_run(text, token.start(), options)
        if not run:
            continue
        at = max(at, run.end)
        verdict = _RIGHT_AFTER.match(text, run.end) or english.RIGHT_AFTER.match(text, run.end)
        if verdict and not re.search(r"不[^,。;]{0,4}$", text[: run.start]) and not _taken_back(text, verdict.end()):
            right += run.letters
        elif text[: run.start].endswith("选项") and not _judged_wrong(text, run.end):
            named += run.letters
    letters = right or (named if len(set(named)) == 1 else "")
    return Extracted("".join(sorted(set(letters))), "4") if letters else None


def _taken_back(text: str, at: int) -> bool:
    clause = re.split(r"[,。;\n!?A-H]", text[at:], maxsplit=1)[0]
    return "错" in clause or clause.startswith("吗")


def _inside_terms(text: str, options: Options) -> set[int]:
    """Positions of letters that belong to an option's text or to a vitamin, not to an option."""
    terms = [re.escape(t) for t in options.texts.values() if len(t) > 1 and re.search(r"[A-H]", t)]
    pattern = re.compile("|".join([r"维生素[A-K]\d*", r"[A-H]型", *terms]))
    return {i for match in pattern.finditer(text) for i in range(*match.span())}


def _contained(text: str, options: Options, cot: bool) -> Extracted | None:
    """Tier 5: option texts in the generation (with cot: in the last sentence that has one); all of them: no answer."""
    parts = [s for s in re.split(r"[。\n!?;]", text) if s.strip()][::-1] if cot else [text]
    for part in parts:
        letters = _hits(part, options)
        if letters and len(letters) < max(2, len(options.texts)):
            return Extracted(letters, "5")
    return None


def _hits(text: str, options: Options) -> str:
    spans = [(m.start(), m.end(), letter) for letter, own in options.texts.items() if own for m in _find(own, text)]
    outer = [s for s in spans if not any(o[0] <= s[0] and s[1] <= o[1] and o[1] - o[0] > s[1] - s[0] for o in spans)]
    return "".join(sorted({letter for start, _, letter in outer if not _REJECTED.search(text, 0, start)}))


def _find(own: str, text: str) -> Iterator[re.Match[str]]:
    return (m for m in re.finditer(re.escape(own), text) if bounded(text, m.start(), m.end()))
