"""Commands that train: list, tiny, plan, preview, run, merge, push, chat, convert-baichuan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qilin_stages.cli.console import Json, app, print_json, print_table

StageName = Annotated[str, typer.Argument(metavar="STAGE", help="cpt, sft, dpo, or a stage of your own package.")]
Recipe = Annotated[str | None, typer.Option("-r", "--recipe", help="A TOML file or the name of a packaged recipe.")]
DataOption = Annotated[str, typer.Option("--data", help="A release folder, ORG/NAME@REVISION, or sample.")]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]…", help="train.learning_rate=1e-4 …")]


@app.command("list")
def list_(json: Json = False) -> None:
    """The stages, the split each consumes and the package each comes from."""
    from qilin_stages.stage import listing

    rows = listing()
    if json:
        print_json(rows)
    else:
        print_table("stages", ["name", "consumes", "package"], [list(row.values()) for row in rows])


@app.command()
def tiny(
    out: Annotated[Path, typer.Argument(help="Folder of the new model.")],
    data: Annotated[list[str], typer.Option("--data", help="Releases whose texts the tokenizer learns from.")],
    more: Annotated[list[str] | None, typer.Argument(metavar="[RELEASE]…", help="Further releases.")] = None,
    vocabulary: Annotated[int, typer.Option(help="Tokens of the vocabulary.")] = 4096,
    hidden: Annotated[int, typer.Option(help="Hidden size.")] = 64,
    layers: Annotated[int, typer.Option(help="Layers.")] = 2,
) -> None:
    """A tiny Llama-shaped model and a Chinese tokenizer, for runs on a CPU."""
    from qilin_stages.data.split import open_data
    from qilin_stages.model.tiny import make

    make(out, [open_data(name) for name in [*data, *(more or [])]], vocabulary=vocabulary, hidden=hidden, layers=layers)
    typer.echo(out)


@app.command()
def run(
    stage: StageName,
    overrides: Overrides = None,
    recipe: Recipe = None,
    data: DataOption = "sample",
    model: Annotated[str | None, typer.Option(help="A model folder, a run, or ORG/NAME@REVISION.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("run"),
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the last whole checkpoint.")] = False,
) -> None:
    """Train a stage, alone or under torchrun, accelerate or deepspeed."""
    from qilin_stages import recipe as recipes
    from qilin_stages.stage import get
    from qilin_stages.training.context import execute
    from qilin_stages.training.launch import is_main

    found = get(stage)
    cfg = recipes.load(recipe, stage, found.config, overrides or [])
    execute(found, cfg, data, model, out, resume=resume)
    if is_main():
        typer.echo(out)
