"""How sure a score is: Wilson and bootstrap intervals, paired tests between models, Holm's correction.

Every random draw is seeded, so the same scores give the same intervals. Percentages are x 100.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from qilin_stages.evals.text import bleu

Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]
SEED = 20231009
_Z = 1.959963984540054
_DRAWS = 2000


def wilson(right: int, n: int) -> Interval:
    """The 95 % Wilson interval of a share, x 100."""
    if n == 0:
        return 0.0, 100.0
    share, z2 = right / n, _Z * _Z
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return 100 * max(0.0, middle - half), 100 * min(1.0, middle + half)


def bootstrap(n: int, statistic: Callable[[npt.NDArray[np.int64]], float], draws: int = _DRAWS) -> Interval:
    """The 95 % percentile interval of `statistic(indices)` over resampled items."""
    if n == 0:
        return 0.0, 0.0
    rng = np.random.default_rng(SEED)
    values = [statistic(rng.integers(0, n, n)) for _ in range(draws)]
    return _percentiles(np.array(values))


def mean_interval(values: Floats) -> Interval:
    """The bootstrap interval of a mean of per-item scores."""
    return bootstrap(len(values), lambda i: float(values[i].mean()))


def macro_interval(groups: Sequence[Floats], draws: int = _DRAWS) -> Interval:
    """The bootstrap interval of a mean of group means, items resampled within their groups."""
    if not groups:
        return 0.0, 0.0
    rng = np.random.default_rng(SEED)
    means = [values[rng.integers(0, len(values), (draws, len(values)))].mean(axis=1) for values in groups]
    return _percentiles(np.mean(means, axis=0))


def bleu_interval(counts: npt.NDArray[np.int64], order: int, smoothed: bool) -> Interval:
    """The bootstrap interval of corpus BLEU from stored per-item counts."""
    return bootstrap(len(counts), lambda i: bleu(counts[i].sum(axis=0), order, smoothed))


def f1_interval(keys: Sequence[str], answers: Sequence[str], draws: int = 10_000) -> Interval:
    """The bootstrap interval of weighted F1, by resampling the confusion matrix."""
    if not keys:
        return 0.0, 0.0
    cells = sorted(Counter(zip(keys, answers, strict=True)).items())
    rows, columns = sorted(set(keys)), sorted(set(keys) | set(answers))
    weights = np.array([count for _, count in cells]) / len(keys)
    row_of = np.array([rows.index(key) for (key, _), _ in cells])
    column_of = np.array([columns.index(answer) for (_, answer), _ in cells])
    drawn = np.random.default_rng(SEED).multinomial(len(keys), weights, size=draws)
    support, said = _grouped(drawn, row_of, len(rows)), _grouped(drawn, column_of, len(columns))
    right = [i for i, ((key, answer), _) in enumerate(cells) if key == answer]
    hits = _grouped(drawn[:, right], row_of[right], len(rows))
    said_rows = said[:, [columns.index(row) for row in rows]]
    f1 = 2 * hits / np.maximum(1, support + said_rows)
    return _percentiles(100 * (support * f1).sum(axis=1) / len(keys))


def paired_bootstrap(one: Floats, other: Floats, draws: int = 10_000) -> tuple[float, Interval, float]:
    """Mean difference other - one over the same items, its 95 % interval, and a two-sided p."""
    if len(one) == 0:
        return 0.0, (0.0, 0.0), 1.0
    difference = np.asarray(other, dtype=float) - np.asarray(one, dtype=float)
    rng = np.random.default_rng(SEED)
    means = np.array([difference[rng.integers(0, len(difference), len(difference))].mean() for _ in range(draws)])
    observed = float(difference.mean())
    tail = 2 * min(float((means <= 0).mean()), float((means >= 0).mean()))
    return observed, _percentiles(means), min(1.0, max(tail, 1 / draws))


def paired_bleu(
    one: npt.NDArray[np.int64], other: npt.NDArray[np.int64], order: int, smoothed: bool, draws: int = _DRAWS
) -> tuple[float, Interval, float]:
    """Difference of corpus BLEU, its interval and a two-sided p, over items resampled for both alike."""
    if len(one) == 0:
        return 0.0, (0.0, 0.0), 1.0
    rng = np.random.default_rng(SEED)

    def difference(i: npt.NDArray[np.int64]) -> float:
        return bleu(other[i].sum(axis=0), order, smoothed) - bleu(one[i].sum(axis=0), order, smoothed)

    values = np.array([difference(rng.integers(0, len(one), len(one))) for _ in range(draws)])
    tail = 2 * min(float((values <= 0).mean()), float((values >= 0).mean()))
    return difference(np.arange(len(one))), _percentiles(values), min(1.0, max(tail, 1 / draws))


def mcnemar(one: Sequence[bool], other: Sequence[bool]) -> float:
    """Exact two-sided McNemar p of right answers over the same items."""
    gained = sum(not a and b for a, b in zip(one, other, strict=True))
    changed = gained + sum(a and not b for a, b in zip(one, other, strict=True))
    if changed == 0:
        return 1.0
    less = min(gained, changed - gained)
    logs = [_log_choose(changed, k) - changed * math.log(2) for k in range(less + 1)]
    return min(1.0, 2 * math.fsum(math.exp(v) for v in logs))


def holm(values: dict[str, float]) -> dict[str, float]:
    """Holm-adjusted p values of a family of tests, by name."""
    adjusted, largest = {}, 0.0
    for rank, (name, p) in enumerate(sorted(values.items(), key=lambda item: (item[1], item[0]))):
        largest = max(largest, min(1.0, p * (len(values) - rank)))
        adjusted[name] = largest
    return {name: adjusted[name] for name in values}


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _grouped(drawn: npt.NDArray[np.int64], of: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
    out = np.zeros((len(drawn), size), dtype=np.int64)
    for cell, group in enumerate(of):
        out[:, group] += drawn[:, cell]
    return out


def _percentiles(values: Floats) -> Interval:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
