"""The `qilin-stage` command."""

from __future__ import annotations

import typer

app = typer.Typer(name="qilin-stage", no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)


@app.callback()
def _root() -> None:
    """Training stages for Chinese medical language models: cpt, sft, dpo, evaluation and reports."""


def main() -> None:
    """Run the command."""
    app()
