"""How both commands end on a user's fault, and how their tables print."""

import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import typer
from releases import make_release, some_rows

from chimed.console import print_table, run


def app_that_raises(error: BaseException) -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def fail() -> None:
        raise error

    return app


def ended(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.argv", ["command"])
    with pytest.raises(SystemExit) as end:
        run(app_that_raises(error))
    return int(end.value.code or 0)


def test_a_missing_extra_is_one_line_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn"), monkeypatch) == 2
    assert (
        capsys.readouterr().err == "error: torch is not installed. It comes with pip install 'qilin-chimed[train]'.\n"
    )


def test_a_missing_module_of_our_own_is_no_users_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["command"])
    with pytest.raises(ModuleNotFoundError):
        run(app_that_raises(ModuleNotFoundError("No module named 'chimed.gone'", name="chimed.gone")))


def test_a_missing_file_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(FileNotFoundError(2, "No such file or directory", "notes.jsonl"), monkeypatch) == 6
    assert capsys.readouterr().err == "error: notes.jsonl: No such file or directory.\n"
    assert ended(FileNotFoundError("Failed to open 'x.arrow'"), monkeypatch) == 6  # as Arrow says it: without a name
    assert capsys.readouterr().err == "error: disk: Failed to open 'x.arrow'.\n"


def test_a_full_disk_says_what_to_do(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(OSError(28, "No space left on device"), monkeypatch) == 6
    said = capsys.readouterr().err
    assert said.startswith("error: disk: No space left on device. Free some") and said.count("\n") == 1


def test_a_long_title_stays_on_one_line_and_text_of_records_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("a title that is longer than its table [bold]", ["n", "text"], [[12345, "[red]danger[/red] [姓名]"]])
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == "a title that is longer than its table [bold]"
    assert "12,345" in rest[3] and "[red]danger[/red] [姓名]" in rest[3]


def test_a_warning_for_users_is_one_line_without_our_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("warnings.formatwarning", warnings.formatwarning)  # put back afterwards
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def warn() -> None:
        for words, kind in (("the source 'x' is broken", UserWarning), ("old", DeprecationWarning)):
            typer.echo(warnings.formatwarning(words, kind, "file.py", 7), nl=False, err=True)

    monkeypatch.setattr("sys.argv", ["command"])
    with pytest.raises(SystemExit):
        run(app)
    assert capsys.readouterr().err == "warning: the source 'x' is broken\nfile.py:7: DeprecationWarning: old\n"


def test_an_interrupt_says_what_to_do(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(KeyboardInterrupt(), monkeypatch) == 130
    assert capsys.readouterr().err.strip() == "stopped. Run the same command again: finished work is kept."


def test_a_reader_that_has_seen_enough_is_no_failure(tmp_path: Path) -> None:
    """`chimed look RELEASE | head -1` under `set -o pipefail`: a pipe that the reader closes ends in 0, silently."""
    release = make_release(tmp_path, "sft", rows=some_rows("sft", 900), lost={})
    command = [sys.executable, "-c", "from chimed.cli import main; main()", "look", str(release.path), "-n", "2000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 0)
