"""A look into a release shows what was asked for, and says what it cannot show."""

from __future__ import annotations

import pytest
from test_build import built, upstream
from typer.testing import CliRunner

from chimed.cli import app
from chimed.errors import DataError, UsageError
from chimed.look import look
from chimed.release import Release


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    folder = tmp_path_factory.mktemp("look")
    return built(upstream(folder / "up"), folder / "out")


def test_lost_rows_of_one_reason(release: Release) -> None:
    everything = look(release, lost=True, count=99)
    for reason in {row["reason"] for row in everything}:
        assert look(release, lost=True, reason=reason, count=99) == [r for r in everything if r["reason"] == reason]
    assert look(release, lost=True, reason="exact_duplicate", source="school_math", count=1)[0]["twin"]


def test_a_reason_that_nobody_is_lost_for(release: Release) -> None:
    with pytest.raises(UsageError, match="Did you mean 'near_duplicate'"):
        look(release, lost=True, reason="near_duplicat")
    with pytest.raises(UsageError, match="There are: .*wrong_shape"):
        look(release, lost=True, reason="头痛")
    with pytest.raises(UsageError, match="--lost"):
        look(release, reason="near_duplicate")
    with pytest.raises(DataError, match="no source"):
        look(release, source="cmexam")


def test_where_there_is_nothing_the_reasons_there_are_are_named(release: Release) -> None:
    ran = CliRunner().invoke(app, ["look", str(release.path), "--lost", "--reason", "contaminated", "--json"])
    assert ran.exit_code == 0 and ran.stdout.strip() == "[]"
    assert "bad_json" in ran.stderr and "exact_duplicate" in ran.stderr
