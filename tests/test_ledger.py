"""The ledger closes or the build fails; no reason outside the closed list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimed.errors import DataError
from chimed.ledger import Account, ordered, total
from chimed.records import REASONS


@given(st.lists(st.tuples(st.sampled_from(REASONS), st.integers(1, 50))), st.integers(0, 99), st.integers(0, 9))
def test_closes_exactly_when_every_row_is_booked(losses: list[tuple[str, int]], kept: int, sampled: int) -> None:
    account = Account("s", kept=kept, sampled=sampled)
    for reason, rows in losses:
        account.lose(reason, rows)
    account.read = kept + sampled + sum(rows for _, rows in losses)
    account.close()
    account.read += 1
    with pytest.raises(DataError, match="does not close"):
        account.close()


def test_a_row_cannot_vanish_for_an_unknown_reason() -> None:
    with pytest.raises(DataError, match="closed list"):
        Account("s").lose("because")


def test_summary_is_the_contracts_shape_in_the_order_of_the_list() -> None:
    account = Account("s", read=5, kept=2, records=1)
    account.lose("near_duplicate")
    account.lose("bad_json", 2)
    assert account.summary() == {
        "source": "s", "read": 5, "kept": 2, "records": 1, "lost": {"bad_json": 2, "near_duplicate": 1},
    }  # fmt: skip
    assert list(ordered(account.lost)) == ["bad_json", "near_duplicate"]


def test_total_adds_up() -> None:
    first, second = Account("a", read=3, kept=2), Account("b", read=1, kept=1)
    first.lose("bad_json")
    assert total([first, second]).summary()["lost"] == {"bad_json": 1}
    total([first, second]).close()
