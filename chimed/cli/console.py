"""The application of the `chimed` command, and what its commands use to print."""

from __future__ import annotations

from typing import Annotated

import typer

from chimed import __version__
from chimed.console import Json, loading, print_json, print_table, progress, run

__all__ = ["Json", "app", "loading", "main", "print_json", "print_table", "progress", "run"]

app = typer.Typer(
    name="chimed", no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"chimed {__version__}")
        raise typer.Exit


@app.callback()
def _root(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False) -> None:
    """Chinese medical data sets: from the upstream files to a published release."""


def main() -> None:
    """Run the command; a user's fault ends in one line on stderr and the exit code of the contract."""
    run(app)
