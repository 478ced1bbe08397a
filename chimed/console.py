"""What both commands share: how errors end, how results and progress are printed."""

from __future__ import annotations

import errno
import gc
import json
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from chimed.errors import ChimedError, DataError, UsageError

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]

_TRAIN = "torch transformers tokenizers safetensors jinja2 trl peft accelerate sacrebleu rapidfuzz sklearn matplotlib"
EXTRAS = {**dict.fromkeys(_TRAIN.split(), "train"), "deepspeed": "deepspeed", "ray": "ray", "daft": "ray"}
"""Which extra of the distribution brings a package that is not part of the core."""


def _warn(message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None) -> str:
    """A warning in one line; what is meant for users (a broken plug-in) needs no place in our code."""
    if issubclass(category, UserWarning):
        return f"warning: {message}\n"
    return f"{filename}:{lineno}: {category.__name__}: {message}\n"


def run(application: typer.Typer) -> None:
    """Run a typer application with the error handling that both commands share."""
    warnings.formatwarning = _warn
    try:
        application()
    except ChimedError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in EXTRAS:
            raise
        extra = EXTRAS[missing]
        typer.echo(f"error: {missing} is not installed. It comes with pip install 'qilin-chimed[{extra}]'.", err=True)
        sys.exit(UsageError.exit_code)
    except SystemExit as end:
        _end_as_asked(end)
    except OSError as error:
        typer.echo(f"error: {error.filename or 'disk'}: {error.strerror or error}.{_way_out(error)}", err=True)
        sys.exit(DataError.exit_code)
    finally:
        gc.freeze()  # the interpreter ends: it need not look for cycles among all that was loaded


def _way_out(error: OSError) -> str:
    """What to do, where that is known: a write to a full disk names no file."""
    full = error.errno == errno.ENOSPC
    return " Free some, or write to another disk; then run the same command again." if full else ""


def _end_as_asked(end: SystemExit) -> NoReturn:
    """Typer itself catches an interrupt and a closed pipe: both are a reader's wish, neither is silent nor a failure."""
    cause: BaseException | None = end
    while cause and not isinstance(cause, KeyboardInterrupt | BrokenPipeError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, BrokenPipeError):
        os._exit(0)  # nothing more can be written, not even what is still in the buffers
    if isinstance(cause, KeyboardInterrupt):
        typer.echo("stopped. Run the same command again: finished work is kept.", err=True)
        sys.exit(130)
    raise end


@contextmanager
def loading() -> Iterator[None]:
    """Around large imports: what they make stays, so that looking for garbage in it is a fifth of their time lost."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} has no JSON form")


def print_table(title: str, columns: list[str], rows: list[list[Any]]) -> None:
    """A table on stdout; numbers are right-aligned and grouped by thousands."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for i, name in enumerate(columns):
        numeric = all(isinstance(row[i], int | float) or row[i] in {"", "-", None} for row in rows)
        table.add_column(name, justify="right" if numeric and rows else "left", overflow="fold")
    for row in rows:
        table.add_row(
            *(Text(f"{cell:,}" if isinstance(cell, int) else "" if cell is None else str(cell)) for cell in row)
        )
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(Text(title), soft_wrap=True)  # as a title of the table it would be broken to the table's width
    console.print(table)


@contextmanager
def progress(title: str) -> Iterator[Any]:
    """A progress reporter `report(done, total, words)`; a bar on a terminal's stderr, silent elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done, total=None, words="": None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeElapsedColumn(),
        TimeRemainingColumn(), console=Console(stderr=True), transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task(title, total=None)

        def report(done: float, total: float | None = None, words: str = "") -> None:
            bar.update(task, completed=done, total=total, description=words or title)

        yield report
