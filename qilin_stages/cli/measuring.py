"""Commands that measure: eval, score, compare, report."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from qilin_stages.cli.console import Json, app, print_json, print_table, progress


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


@app.command("eval")
def evaluate(
    models: Annotated[list[str], typer.Argument(metavar="MODEL", help="A path, a run, openai:NAME@URL or "
                                                "vllm:NAME@URL; stages in their order.")],
    tasks: Annotated[str, typer.Option("--tasks", "-t", help="Comma-separated: cmexam, cmexam-explanation, ceval, "
                                       "huatuo, safety, or a plug-in's.")],
    data: Annotated[Path, typer.Option(help="One folder per set: cmexam_test, ceval, huatuo26m_test.")] = Path("eval"),
    protocol: Protocol = "sound",
    limit: Annotated[int | None, typer.Option(min=1, help="Items per task (C-Eval: per subject and split).")] = None,
    shifts: Annotated[int, typer.Option(min=1, help="Ask choice items under this many cyclic option orders.")] = 1,
    overlap: Annotated[list[Path] | None, typer.Option(help="Release (or its overlap.parquet) trained on.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for results; a second run there goes on.")] = Path("evaluation"),
    as_json: Json = False,
) -> None:  # fmt: skip
    """Evaluate models: scores beside floors, intervals, paired tests and the paper's figures."""
    from qilin_stages.evals.runner import Settings
    from qilin_stages.evals.runner import evaluate as run
    from qilin_stages.evals.tables import print_results

    names = list(dict.fromkeys(name.strip() for name in tasks.split(",") if name.strip()))
    settings = Settings(models, names, data, out, protocol, limit, shifts, overlap or ())  # type: ignore[arg-type]
    with progress("evaluating") as report:
        results = run(settings, report)
    if as_json:
        print_json(results)
    else:
        print_results(results, print_table, typer.echo)
        typer.echo(f"written: {out / 'results.json'}")


@app.command()
def compare(
    models: Annotated[list[str], typer.Argument(metavar="MODEL", help="A path, a run, openai:NAME@URL …")],
    prompts: Annotated[Path, typer.Option("--prompts", "-p", help="Text (one a line) or JSON Lines {prompt, "
                                          "reference?}.")],
    out: Annotated[Path, typer.Option(help="The file to write: .html or .md.")],
) -> None:  # fmt: skip
    """Answers of several models side by side, with scores where there is a reference."""
    from qilin_stages.evals.compare import compare as run

    with progress("answering") as report:
        compared = run(models, prompts, out, report)
    typer.echo(f"{len(compared)} prompts, {len(models)} models: {out}")


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Runs, and folders written by eval.")],
    out: Annotated[Path, typer.Option(help="The HTML file to write.")] = Path("report.html"),
) -> None:
    """Curves of all stages, and the paper's Tables 4-6 beside ours, in one HTML file."""
    from qilin_stages.report import write_report

    typer.echo(str(write_report(runs, out)))
