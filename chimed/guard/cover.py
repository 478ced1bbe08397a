"""How much of each evaluation item a text covers, compiled: one row of measures per item that was touched."""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from numba import njit

from chimed.guard.scan import GRAM, window_hash

STEM_LENGTH, STEM_COVERED, STEM_RUN, OPTIONS, OPTIONS_COVERED, NEAR = range(6)
ANSWER, ANSWER_COVERED, ANSWER_RUN, STRETCH, BOUNDED = range(6, 11)
COLUMNS = 11
WINDOW = 200


@njit(cache=True)
def _covered(marks, start, length, now):
    """Symbols of a part that lie in marked grams, and the longest run of them."""
    covered = run = begin = end = 0
    for i in range(length - GRAM + 1):
        if marks[start + i] != now:
            continue
        if i > end or end == 0:
            covered += GRAM
            begin = i
        else:
            covered += i + GRAM - end
        end = i + GRAM
        run = max(run, end - begin)
    return covered, run


@njit(cache=True)
def _stands(symbols, low, high, width, whole):
    """First place between low and high where a short part stands whole, or -1."""
    for at in range(low, high - width + 1):
        if window_hash(symbols, at, width) == whole:
            return at
    return -1


@njit(cache=True)
def _place(part, stem, reach, symbols, n, part_length, whole, seen, span, now):
    """Where an option begins, or -1: a long one where its grams are, a short one whole within reach of the stem."""
    length = part_length[part]
    if length >= GRAM:
        return span[part, 0] if seen[part] == now else -1
    if length == 0:
        return -1
    behind = _stands(symbols, span[stem, 1], min(n, span[stem, 1] + reach), length, whole[part])
    if behind >= 0:
        return behind
    return _stands(symbols, max(0, span[stem, 0] - reach), span[stem, 0], length, whole[part])


@njit(cache=True)
def _options(row, stem, last, symbols, n, part_role, part_at, part_length, whole, now, marks, seen, span):
    """The columns on options, looked for only where at least half of the stem stands."""
    for part in range(stem, last):
        if part_role[part] == 1:
            row[OPTIONS] += part_length[part]
    if seen[stem] != now or row[STEM_COVERED] * 2 < row[STEM_LENGTH]:
        return
    low, high = span[stem, 0], span[stem, 1]
    for part in range(stem, last):
        if part_role[part] != 1:
            continue
        length = part_length[part]
        place = _place(part, stem, WINDOW + row[OPTIONS], symbols, n, part_length, whole, seen, span, now)
        if place < 0:
            continue
        row[OPTIONS_COVERED] += length if length < GRAM else _covered(marks, part_at[part], length, now)[0]
        low, high = min(low, place), max(high, place + length)
        if span[stem, 0] - WINDOW <= place + length and place <= span[stem, 1] + WINDOW:
            row[NEAR] = 1
    row[STRETCH] = high - low


@njit(cache=True)
def _answers(row, first, last, part_role, part_at, part_length, now, marks, seen):
    """The columns on the best covered answer or explanation."""
    for part in range(first, last):
        if part_role[part] != 2 or seen[part] != now:
            continue
        length = part_length[part]
        covered, run = _covered(marks, part_at[part], length, now)
        if covered * max(1, row[ANSWER]) >= row[ANSWER_COVERED] * length:
            row[ANSWER], row[ANSWER_COVERED], row[ANSWER_RUN] = length, covered, run


@njit(cache=True)
def measure(symbols, n, candidates, count, item_at, part_role, part_at, part_length, whole, now, marks, complete,
            bounded, seen, span, out):  # fmt: skip
    """Fill one row of `out` per candidate, in the columns named above; all lengths in symbols."""
    for c in range(count):
        stem, last = item_at[candidates[c]], item_at[candidates[c] + 1]
        row = out[c]
        row[:] = 0
        row[STEM_LENGTH] = part_length[stem]
        if complete[stem] == now:
            row[STEM_COVERED] = row[STEM_RUN] = part_length[stem]
        elif seen[stem] == now:
            row[STEM_COVERED], row[STEM_RUN] = _covered(marks, part_at[stem], part_length[stem], now)
        row[BOUNDED] = bounded[stem] == now
        _options(row, stem, last, symbols, n, part_role, part_at, part_length, whole, now, marks, seen, span)
        _answers(row, stem, last, part_role, part_at, part_length, now, marks, seen)
