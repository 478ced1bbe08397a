"""Addresses of rows: a whole column of them is what they are one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from chimed.build.lanes import Lane, _repeats
from chimed.source import load


@pytest.mark.parametrize("hashes", [[], [1, 2**64 - 1, 7], [5, 5, 9, 5]])
@pytest.mark.parametrize("name", ["belle_train_2m", "甲乙"])
def test_a_column_of_addresses_is_the_addresses_one_by_one(hashes: list[int], name: str) -> None:
    lane = Lane(replace(load("belle_train_2m"), name=name), len(hashes), [])
    lane.hashes = np.array(hashes, np.uint64)
    lane.repeat = _repeats(lane.hashes)
    rows = np.arange(len(hashes))
    column = lane.id_column(rows)
    column.validate(full=True)
    assert column.to_pylist() == [lane.id(row) for row in rows] == lane.ids(rows)
    assert column[1:].to_pylist() == lane.ids(rows[1:])
