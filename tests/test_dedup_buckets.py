"""Buckets are the runs of equal keys: none is missed, none is invented, and their order does not depend on the rest."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chimed.dedup.buckets import buckets

KEYS = st.lists(st.one_of(st.integers(0, 40), st.integers(0, 2**64 - 1)), max_size=200)


def runs(keys: list[int]) -> list[list[int]]:
    members, starts = buckets(np.array(keys, np.uint64))
    return [members[a:b].tolist() for a, b in zip(starts[:-1], starts[1:], strict=True)]


@given(KEYS)
def test_buckets_are_the_places_of_keys_that_occur_twice(keys: list[int]) -> None:
    places: dict[int, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    assert runs(keys) == [found for found in places.values() if len(found) > 1]


@given(KEYS)
def test_keys_of_other_rows_between_them_do_not_change_their_order(keys: list[int]) -> None:
    twice = [key for key in keys for _ in range(2)]
    mixed, own = [], []
    for i, key in enumerate(twice):
        own.append(len(mixed))
        mixed += [key, 2**63 + 7919 * i]
    expected = [[own[place] for place in run] for run in runs(twice)]
    assert [run for run in runs(mixed) if mixed[run[0]] in set(twice)] == expected


def test_many_equal_low_bits() -> None:
    """Keys that all fall into one slot of the filter and of the table."""
    keys = [i << 40 for i in range(300)]
    assert runs(keys) == []
    assert runs([*keys, *keys]) == [[i, i + 300] for i in range(300)]
