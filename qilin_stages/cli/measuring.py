"""Commands that measure: eval, score, compare, report."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from qilin_stages.cli.console import Json, app, print_json, print_table


class RowType(StrEnum):
    """What the rows of a prediction file are."""

    text = "text"
    choice = "choice"


Protocol = Annotated[str, typer.Option(help="sound, or paper (as the released code computes).")]


@app.command()
def score(
    predictions: Annotated[Path, typer.Argument(help="JSON Lines of predictions.")],
    type_: Annotated[RowType, typer.Option("--type", "-t", help="text: {id, prediction, reference}; choice: {id, "
                                           "generation, options, answer}.")],
    protocol: Protocol = "sound",
    as_json: Json = False,
) -> None:  # fmt: skip
    """Score predictions made anywhere; faulty rows are counted, shown, and score 0."""
    from qilin_stages.evals.predictions import score_file

    result = score_file(predictions, type_.value, protocol)
    if as_json:
        print_json(result)
        return
    figures = {k: v for k, v in result.items() if isinstance(v, int | float)}
    columns = [k for k in figures if k != "n"]
    cells = [f"{figures[k]:.2f}" if isinstance(figures[k], float) else str(figures[k]) for k in columns]
    print_table(f"{predictions.name}, {protocol}, n = {result['n']}", columns, [cells])
    for name in ("signature", "tiers", "problems"):
        if result.get(name):
            typer.echo(f"{name}: {result[name]}")
