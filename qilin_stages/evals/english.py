"""Verdicts in English: how a generation declares, chooses, calls right or wrong. A capital A may be the article, so a
letter counts only where the phrase ends after it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from qilin_stages.evals.letters import Options, Run, read_run

_TO_LETTER = r"\s*(?:the\s+)?(?:options?\s+|choices?\s+|letters?\s+)?[(\[\"“]*"
_DECLARED = re.compile(
    r"(?i:\b(?:answers?|(?:correct|right|best)\s+(?:options?|choices?|ones?)|correct(?=\s*:))"
    rf"\s*(?:(?:should|would|must|will)\s+be\b|is\b|are\b|[:=])?{_TO_LETTER})"
)
_CHOSEN = re.compile(
    r"(?i:\b(?:choose|select|pick|go\s+with|opt\s+for|it(?:['’]s|\s+is)|but(?:\s+rather)?|"
    rf"(?:best|right|correct)\s+\w+\s+(?:would|should)\s+be|(?:therefore|thus|hence|so),?(?:\s+it\s+is)?)\s{_TO_LETTER})"
)
_REFUSED = re.compile(r"(?i:\b(?:not|never|cannot|neither|wouldn't|don't|shouldn't)\s+(?:to\s+)?)$")
_ENDS = re.compile(r"\s*(?:$|[.,;:!?)\]\"”。]|\n|(?:is|are|because|since|as|for|but|not|rather|instead)\b)")
RIGHT_AFTER = re.compile(
    r"(?i:\s+(?:is|are)\s+(?:clearly\s+|therefore\s+)?(?:the\s+)?(?:most\s+)?(?:correct|right|best|appropriate)\b)"
)
WRONG_AFTER = re.compile(
    r"(?i:\s+(?:is|are)\s+(?:also\s+|all\s+|both\s+|clearly\s+)?(?:not|wrong|incorrect|false|inappropriate|contraindicated)\b)"
)


def declared(text: str, options: Options) -> Iterator[Run]:
    """Runs after "the answer is", "correct option:" and the like."""
    return _runs(_DECLARED, text, options)


def chosen(text: str, options: Options) -> Iterator[Run]:
    """Runs after "choose", "it is", "therefore", "not A but"."""
    return _runs(_CHOSEN, text, options)


def _runs(marker: re.Pattern[str], text: str, options: Options) -> Iterator[Run]:
    for match in marker.finditer(text):
        run = None if _REFUSED.search(text, 0, match.start()) else read_run(text, match.end(), options)
        if run and run.letters and _ENDS.match(text, run.end) and not WRONG_AFTER.match(text, run.end):
            yield run
