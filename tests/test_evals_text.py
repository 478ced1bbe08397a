"""BLEU and ROUGE: parity with sacrebleu, rouge_score and the released code restated here; what trivial texts score."""

import random

import jieba
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score import rouge_scorer
from sacrebleu.metrics.bleu import BLEU

from chimed.errors import UsageError
from qilin_stages.evals import text

WORDS = "患者 头痛 发热38.5℃ 每日3次 口服 阿莫西林0.25g CT B超 检查 多休息 的 的的 ， 。 建议 mg/kg 𠮷 COVID-19 饮食 清淡 \n \u3000".split(
    " "
)


def pairs(count: int = 500, seed: int = 7) -> list[tuple[str, str]]:
    """Predictions and references: random medical text, empties, single characters, repeats, mixed scripts, spaces."""
    rng = random.Random(seed)
    made = [("", "多喝水"), ("多喝水", ""), ("", ""), ("好", "好"), ("好", "坏"), ("的" * 10, "的 确"), (" ", "水")]
    while len(made) < count:
        reference = rng.choices(WORDS, k=rng.randint(0, 30))
        kept = [w for w in reference if rng.random() < 0.7] + rng.choices(WORDS, k=rng.randint(0, 8))
        glue = rng.choice(["", "", " "])
        made.append((glue.join(kept), glue.join(reference)))
    return made


class Characters:
    """The tokenizer that rouge_score takes."""

    def tokenize(self, value: str) -> list[str]:
        return [c for c in value if not c.isspace()]


def test_sound_bleu_equals_sacrebleu_char() -> None:
    predictions, references = map(list, zip(*pairs(), strict=True))
    ours = text.score(predictions, references)
    for order, name in ((1, "bleu1"), (4, "bleu4")):
        theirs = BLEU(tokenize="char", max_ngram_order=order)
        assert ours.corpus[name] == pytest.approx(theirs.corpus_score(predictions, [references]).score, abs=1e-10)
        assert str(theirs.get_signature()) in ours.signature
        single = BLEU(tokenize="char", max_ngram_order=order, effective_order=True)
        for i in range(0, 200):
            expected = single.sentence_score(predictions[i], [references[i]]).score
            assert ours.items[name][i] == pytest.approx(expected, abs=1e-9)


def test_sound_rouge_equals_rouge_score_with_characters() -> None:
    scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], tokenizer=Characters())
    made = pairs()
    ours = text.score([p for p, _ in made], [r for _, r in made])
    for i, (prediction, reference) in enumerate(made):
        theirs = scorer.score(reference, prediction)
        for name in ("rouge1", "rouge2", "rougeL"):
            assert ours.items[name][i] == pytest.approx(100 * theirs[name].fmeasure, abs=1e-10)


def released_rouge(prediction: str, reference: str) -> tuple[float, float, float]:
    """The released ROUGE, written again from its definition, with plain dynamic programming and its epsilons."""
    h, r = " ".join(prediction).split(" "), " ".join(reference).split(" ")
    out = []
    for n in (1, 2):
        a = {tuple(h[i : i + n]) for i in range(len(h) - n + 1)}
        b = {tuple(r[i : i + n]) for i in range(len(r) - n + 1)}
        p = len(a & b) / len(a) if a else 0.0
        q = len(a & b) / len(b) if b else 0.0
        out.append(2 * p * q / (p + q + 1e-8))
    row = [0] * (len(r) + 1)
    for x in h:
        last = 0
        for j, y in enumerate(r):
            last, row[j + 1] = row[j + 1], last + 1 if x == y else max(row[j + 1], row[j])
    p, q = row[-1] / len(h), row[-1] / len(r)
    beta = p / (q + 1e-12)
    out.append((1 + beta**2) * p * q / (q + beta**2 * p + 1e-12))
    return out[0], out[1], out[2]


def released_bleu(predictions: list[list[str]], references: list[list[str]], order: int) -> float:
    """The released BLEU, written again: clipped precisions of the corpus, no smoothing, c > r for the penalty."""
    import math

    c, r = sum(map(len, predictions)), sum(map(len, references))
    logs = 0.0
    for n in range(1, order + 1):
        hit = total = 0
        for h, g in zip(predictions, references, strict=True):
            grams = [tuple(g[i : i + n]) for i in range(len(g) - n + 1)]
            ours = [tuple(h[i : i + n]) for i in range(len(h) - n + 1)]
            total += len(ours)
            for gram in ours:
                if gram in grams:
                    grams.remove(gram)
                    hit += 1
        if not hit:
            return 0.0
        logs += math.log(hit / total) / order
    return 100 * math.exp(logs) * (1.0 if c > r else math.exp(1 - r / c))


@pytest.mark.parametrize("protocol", ["paper", "paper-nostrip", "paper-char"])
def test_paper_mode_equals_the_released_code(protocol: str) -> None:
    made = pairs(600, seed=11)
    predictions, references = [p for p, _ in made], [r for _, r in made]
    ours = text.score(predictions, references, protocol)
    if protocol == "paper":
        predictions = [p.replace(" ", "") for p in predictions]
    cut = text.characters if protocol == "paper-char" else jieba.lcut
    for order, name in ((1, "bleu1"), (4, "bleu4")):
        theirs = released_bleu([list(cut(p)) for p in predictions], [list(cut(r)) for r in references], order)
        assert ours.corpus[name] == pytest.approx(theirs, abs=1e-9)
    for i, (prediction, reference) in enumerate(zip(predictions, references, strict=True)):
        for name, value in zip(("rouge1", "rouge2", "rougeL"), released_rouge(prediction, reference), strict=True):
            assert ours.items[name][i] == pytest.approx(100 * value, abs=2e-6)


def test_known_values_of_the_released_rouge() -> None:
    """Sets hide repetition; ROUGE-L leans to the smaller side."""
    assert text.score(["休休休息息"], ["休息"], "paper").corpus["rouge1"] == pytest.approx(100)
    assert text._weighted(0.9, 0.1) == pytest.approx(0.101, abs=5e-4)
    assert text.score([""], [""], "paper").corpus["rouge1"] == 100
    assert text.score([""], [""], "sound").corpus["rouge1"] == 0


def test_two_character_corpus_has_no_bleu4() -> None:
    assert text.score(["好的", "可以"], ["好的", "可以"]).corpus["bleu4"] == 0


def test_nothing_is_dropped_and_an_empty_answer_costs() -> None:
    full, half = text.score(["多喝水"] * 2, ["多喝水"] * 2), text.score(["多喝水", ""], ["多喝水"] * 2)
    assert half.corpus["rouge1"] == full.corpus["rouge1"] / 2
    assert half.empty == 50 and half.length_ratio == 0.5
    for protocol in text.DEFINITIONS:
        assert set(text.score(["", " "], ["水", ""], protocol, [False, True]).corpus.values()) == {0.0}


def test_unknown_protocol_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="sound, paper"):
        text.score([], [], "papre")


texts = st.text(alphabet=st.sampled_from("患者头痛的，。aB3 \n𠮷"), max_size=30)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=5), st.sampled_from(sorted(text.DEFINITIONS)))
def test_scores_stay_in_range(made: list[tuple[str, str]], protocol: str) -> None:
    scores = text.score([p for p, _ in made], [r for _, r in made], protocol)
    values = [*scores.corpus.values(), *(v for item in scores.items.values() for v in item)]
    assert all(-1e-9 <= v <= 100 + 1e-9 for v in values)


@settings(max_examples=100, deadline=None)
@given(st.lists(texts, min_size=1, max_size=5))
def test_a_copy_scores_100_where_it_has_the_ngrams(made: list[str]) -> None:
    scores = text.score(made, made)
    for i, value in enumerate(made):
        length = len(text.characters(value))
        assert scores.items["rougeL"][i] == pytest.approx(100 if length else 0)
        assert scores.items["rouge2"][i] == pytest.approx(100 if length > 1 else 0)
        assert scores.items["bleu4"][i] == pytest.approx(100 if length else 0)
