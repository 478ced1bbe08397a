"""The application of the `qilin-stage` command, and what its commands use to print."""

from __future__ import annotations

from typing import Annotated

import typer

from chimed.console import Json, print_json, print_table, progress, run
from qilin_stages import __version__

__all__ = ["Json", "app", "main", "print_json", "print_table", "progress"]

app = typer.Typer(
    name="qilin-stage", no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"qilin-stage {__version__}")
        raise typer.Exit


@app.callback()
def _root(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False) -> None:
    """Training stages for Chinese medical language models: cpt, sft, dpo, evaluation and reports."""


def main() -> None:
    """Run the command; a user's fault ends in one line on stderr and the exit code of the contract."""
    run(app)
