"""The command line refuses what it cannot do in words, before it writes anything."""

from pathlib import Path

import pytest
from releases import make_release
from test_build import upstream
from typer.testing import CliRunner

from chimed.cli import app
from chimed.cli.building import _excluded
from chimed.errors import ChimedError, DataError


def refused(*words: object) -> ChimedError:
    error = CliRunner().invoke(app, [str(word) for word in words]).exception
    assert isinstance(error, ChimedError), error
    return error


@pytest.mark.parametrize(
    ("code", "said", "options"),
    [
        (2, "one of the two", ["--sample", "--from", "up"]),
        (2, "--only names no source", ["--only", ""]),
        (2, "--only names no source", ["--only", " , "]),
        (2, "did you mean 'cmexam'", ["--only", "cmexm"]),
        (6, "--evalsets gone: no such folder", ["--evalsets", "gone"]),
        (6, "page.txt: a file, not a folder", ["--from", "page.txt"]),
        (6, "page.txt: a file is in the way", ["--out", "page.txt"]),
    ],
)
def test_a_build_that_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, said: str, options: list[str]
) -> None:
    upstream(tmp_path / "up")
    (tmp_path / "page.txt").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    place = [] if "--from" in options else ["--from", "up"]
    error = refused("build", "--split", "sft", *place, *options)
    assert error.exit_code == code
    assert said in str(error)
    assert not (tmp_path / "build").exists()


def test_a_misspelt_source_is_answered_with_the_nearest(tmp_path: Path) -> None:
    for words in (
        ["check", "cmexm"],
        ["fetch", "cmexm", "--to", tmp_path],
        ["plan", "--split", "cpt", "--only", "cmexm"],
    ):
        place = [] if words[0] == "fetch" else ["--from", tmp_path]
        error = refused(*words, *place)
        assert (error.exit_code, "did you mean 'cmexam'" in str(error)) == (2, True), words


def test_a_takedown_list_may_come_from_any_editor(tmp_path: Path) -> None:
    file = tmp_path / "名单.txt"
    file.write_bytes("\ufeff# 下架\r\ncmd:01\r\n\r\n  cmd:02 \r\n".encode())
    assert _excluded(str(file)) == ("cmd:01", "cmd:02")
    file.write_bytes("cmd:01".encode("utf-16"))
    with pytest.raises(DataError, match="not UTF-8"):
        _excluded(str(file))


@pytest.mark.parametrize("own", ["notes.txt", "data/mine.csv", None])
def test_a_build_never_takes_the_place_of_what_is_no_release(tmp_path: Path, own: str | None) -> None:
    upstream(tmp_path / "up")
    place = tmp_path / "out" / "ChiMed-SFT"
    mine = place / own if own else place
    mine.parent.mkdir(parents=True)
    mine.write_text("mine", encoding="utf-8")
    error = refused("build", "--split", "sft", "--from", tmp_path / "up", "--out", tmp_path / "out")
    assert error.exit_code == 4 and "in the way" in str(error)
    assert mine.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("option", ["--against", "--verify-against"])
@pytest.mark.parametrize("named", ["out", "out/ChiMed-SFT"])
def test_a_release_is_not_compared_with_what_takes_its_place(tmp_path: Path, option: str, named: str) -> None:
    upstream(tmp_path / "up")
    release = make_release(tmp_path / "out", "sft")
    manifest = (release.path / "manifest.json").read_bytes()
    words = ["build", "--split", "sft", "--from", tmp_path / "up", "--out", tmp_path / "out", option, tmp_path / named]
    error = refused(*words)
    assert error.exit_code == 2 and "would replace" in str(error)
    assert (release.path / "manifest.json").read_bytes() == manifest
