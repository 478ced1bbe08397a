"""BLEU and ROUGE of Chinese text, by both definitions. All values are x 100.

`sound`: characters without white space; sacrebleu's BLEU (tok:char, smooth:exp) and clipped ROUGE with harmonic F.
`paper`: what Qilin-Med's released script computes: unsmoothed corpus BLEU on jieba words, spaces removed from the
prediction only; ROUGE over *sets* of character n-grams; a ROUGE-L whose weight is P/R. `paper-nostrip` (CMExam's
scripts) keeps the spaces; `paper-char` (CMExam's LoRA script) cuts BLEU into characters.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from chimed.errors import UsageError

Tokens = Sequence[str]
METRICS = ("bleu1", "bleu4", "rouge1", "rouge2", "rougeL")
ORDERS = 4


@dataclass(frozen=True)
class Definition:
    """How a mode cuts and counts; `signature` is printed beside every score."""

    name: str
    signature: str
    strip_spaces: bool
    bleu_tokens: Callable[[str], Tokens]
    smoothed: bool
    rouge_tokens: Callable[[str], Tokens]
    sets: bool


@dataclass(frozen=True)
class TextScores:
    """Scores of aligned predictions and references: the corpus, every pair, and what a bootstrap needs."""

    corpus: dict[str, float]
    items: dict[str, npt.NDArray[np.float64]]
    bleu_counts: npt.NDArray[np.int64]
    smoothed: bool
    length_ratio: float
    empty: float
    signature: str


def characters(text: str) -> Tokens:
    """Characters for which str.isspace() is false, as one string; no folding of case, width or punctuation."""
    return "".join(text.split())


def words(text: str) -> Tokens:
    """jieba's words, precise mode with HMM; white space tokens stay."""
    return _jieba()(text)


def split_characters(text: str) -> Tokens:
    """The released ROUGE tokens: a space becomes two empty tokens, an empty text is one empty token."""
    return " ".join(text).split(" ")


@cache
def _jieba() -> Callable[[str], list[str]]:
    import jieba

    jieba.setLogLevel(60)
    return lambda text: list(jieba.cut(text))


_SACREBLEU = "nrefs:1|case:mixed|eff:no|tok:char|smooth:exp|version:2.6.0"
DEFINITIONS = {
    d.name: d
    for d in (
        Definition("sound", f"BLEU {_SACREBLEU}; ROUGE char, clipped, F1", False, characters, True, characters, False),
        Definition(
            "paper", "BLEU tok:jieba-0.42.1|smooth:none|strip:prediction; ROUGE char sets, L with beta=P/R",
            True, words, False, split_characters, True,
        ),
        Definition(
            "paper-nostrip", "BLEU tok:jieba-0.42.1|smooth:none; ROUGE char sets, L with beta=P/R",
            False, words, False, split_characters, True,
        ),
        Definition(
            "paper-char", "BLEU tok:char|smooth:none; ROUGE char sets, L with beta=P/R",
            False, characters, False, split_characters, True,
        ),
    )
}  # fmt: skip


def definition(name: str) -> Definition:
    """The definition of that name; UsageError names the others."""
    if name not in DEFINITIONS:
        raise UsageError(f"--protocol {name}: not known. Use one of {', '.join(DEFINITIONS)}.")
    return DEFINITIONS[name]


def score(
    predictions: Sequence[str], references: Sequence[str], protocol: str = "sound", void: Sequence[bool] = ()
) -> TextScores:
    """Score aligned texts; every pair counts, an empty side scores 0 (or as the released code does in paper modes).

    `void` marks pairs that score 0 in every mode (rows without a reference).
    """
    how = definition(protocol)
    counts = np.zeros((len(predictions), 2 + 2 * ORDERS), dtype=np.int64)
    rouge = np.zeros((len(predictions), 3))
    for i, (prediction, reference) in enumerate(zip(predictions, references, strict=True)):
        if how.strip_spaces:
            prediction = prediction.replace(" ", "")
        counts[i] = bleu_counts(how.bleu_tokens(prediction), how.bleu_tokens(reference))
        rouge[i] = rouge_scores(how.rouge_tokens(prediction), how.rouge_tokens(reference), sets=how.sets)
    rouge[np.flatnonzero(void)] = 0
    items = {name: 100 * rouge[:, i] for i, name in enumerate(("rouge1", "rouge2", "rougeL"))}
    for order, name in ((1, "bleu1"), (4, "bleu4")):
        items[name] = np.array([bleu(row, order, how.smoothed, effective=True) for row in counts])
    corpus = {name: bleu(counts.sum(axis=0), order, how.smoothed) for order, name in ((1, "bleu1"), (4, "bleu4"))}
    corpus |= {name: float(items[name].mean()) if len(predictions) else 0.0 for name in METRICS[2:]}
    ratio = float(counts[:, 0].sum() / counts[:, 1].sum()) if counts[:, 1].sum() else 0.0
    empty = sum(not p.strip() for p in predictions) / max(1, len(predictions))
    return TextScores(corpus, items, counts, how.smoothed, ratio, 100 * empty, how.signature)


def bleu_counts(hypothesis: Tokens, reference: Tokens) -> list[int]:
    """[hypothesis length, reference length, matches of order 1-4, hypothesis n-grams of order 1-4]."""
    matches, totals = [], []
    for order in range(1, ORDERS + 1):
        ours, theirs = Counter(ngrams(hypothesis, order)), Counter(ngrams(reference, order))
        matches.append((ours & theirs).total())
        totals.append(max(0, len(hypothesis) - order + 1))
    return [len(hypothesis), len(reference), *matches, *totals]


def bleu(counts: Sequence[int] | npt.NDArray[np.int64], order: int, smoothed: bool, effective: bool = False) -> float:
    """BLEU-`order` x 100 from summed counts; `effective` stops at the last order with an n-gram (for one sentence)."""
    length, reference = int(counts[0]), int(counts[1])
    matches, totals = counts[2 : 2 + order], counts[2 + ORDERS : 2 + ORDERS + order]
    if not length or not reference or not any(matches) or (not totals[order - 1] and not effective):
        return 0.0
    logs, halvings = 0.0, 1.0
    used = [(int(m), int(t)) for m, t in zip(matches, totals, strict=True) if t]
    for matched, total in used:
        if not matched and not smoothed:
            return 0.0
        halvings *= 1 if matched else 2
        logs += math.log(matched / total if matched else 1 / (halvings * total))
    penalty = 0.0 if length >= reference else 1 - reference / length
    return 100 * math.exp(penalty + logs / len(used))


def ngrams(tokens: Tokens, order: int) -> zip[tuple[str, ...]]:
    """All n-grams of one order, in order."""
    return zip(*(tokens[i:] for i in range(order)), strict=False)


def rouge_scores(hypothesis: Tokens, reference: Tokens, *, sets: bool) -> tuple[float, float, float]:
    """ROUGE-1, 2 and L as fractions; `sets` counts each n-gram once and weighs L by P/R, as the released code."""
    grams = [_overlap(hypothesis, reference, order, sets) for order in (1, 2)]
    if not hypothesis or not reference:
        return grams[0], grams[1], 0.0
    common = longest_common(hypothesis, reference)
    precision, recall = common / len(hypothesis), common / len(reference)
    return grams[0], grams[1], (_weighted if sets else _harmonic)(precision, recall)


def longest_common(one: Tokens, other: Tokens) -> int:
    """Length of the longest common subsequence, by rapidfuzz's bit-parallel implementation."""
    return int(_lcs()(one, other))


@cache
def _lcs() -> Callable[[Tokens, Tokens], int]:
    try:
        from rapidfuzz.distance import LCSseq
    except ModuleNotFoundError:
        raise UsageError("ROUGE-L needs rapidfuzz: pip install 'qilin-chimed[train]'") from None
    return LCSseq.similarity


def _overlap(hypothesis: Tokens, reference: Tokens, order: int, sets: bool) -> float:
    ours, theirs = Counter(ngrams(hypothesis, order)), Counter(ngrams(reference, order))
    if sets:
        ours, theirs = Counter(dict.fromkeys(ours, 1)), Counter(dict.fromkeys(theirs, 1))
    if not ours or not theirs:
        return 0.0
    common = (ours & theirs).total()
    return _harmonic(common / ours.total(), common / theirs.total())


def _harmonic(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _weighted(precision: float, recall: float) -> float:
    """F with beta = P/R: PR(P²+R²)/(P³+R³), near the smaller of the two."""
    if not precision or not recall:
        return 0.0
    return precision * recall * (precision**2 + recall**2) / (precision**3 + recall**3)
