"""Commands that train: list, tiny, plan, preview, run, merge, push, chat, convert-baichuan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from qilin_stages.cli.console import Json, app, print_json, print_table, progress

if TYPE_CHECKING:
    from qilin_stages.plan import Plan

StageName = Annotated[str, typer.Argument(metavar="STAGE", help="cpt, sft, dpo, or a stage of your own package.")]
Recipe = Annotated[str | None, typer.Option("-r", "--recipe", help="A TOML file or the name of a packaged recipe.")]
DataOption = Annotated[str, typer.Option("--data", help="A release folder, ORG/NAME@REVISION, or sample.")]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="train.learning_rate=1e-4 …")]


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
    more: Annotated[list[str] | None, typer.Argument(metavar="RELEASE", help="Further releases.")] = None,
    vocabulary: Annotated[int, typer.Option(help="Tokens of the vocabulary.")] = 4096,
    hidden: Annotated[int, typer.Option(help="Hidden size.")] = 64,
    layers: Annotated[int, typer.Option(help="Layers.")] = 2,
) -> None:
    """A tiny Llama-shaped model and a Chinese tokenizer, for runs on a CPU."""
    from qilin_stages.data.split import open_data
    from qilin_stages.model.tiny import make
    from qilin_stages.training.launch import quiet

    quiet()
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


@app.command()
def plan(
    stage: StageName,
    overrides: Overrides = None,
    recipe: Recipe = None,
    data: DataOption = "sample",
    model: Annotated[str | None, typer.Option(help="Count exactly with this model's tokenizer.")] = None,
    json: Json = False,
) -> None:
    """Steps, tokens, truncated rows, memory per GPU, hours and the launch line; no model is loaded."""
    import shlex
    from dataclasses import asdict, replace

    from qilin_stages import recipe as recipes
    from qilin_stages.planning import facts
    from qilin_stages.stage import get

    found = get(stage)
    cfg = recipes.load(recipe, stage, found.config, overrides or [])
    with progress("tokenising") as report:
        made = found.plan(cfg, facts(found, cfg, data, model, report))
    named = {"DATA": data, "MODEL": model or "MODEL"}
    words = [named.get(word, word) for word in shlex.split(made.launch)]
    made = replace(made, launch=shlex.join([*words, *(overrides or [])]))
    if json:
        print_json(asdict(made))
    else:
        print_plan(made)


@app.command()
def preview(
    stage: StageName,
    overrides: Overrides = None,
    recipe: Recipe = None,
    data: DataOption = "sample",
    model: Annotated[str | None, typer.Option(help="The model whose tokenizer and template are used.")] = None,
    count: Annotated[int, typer.Option("-n", help="Rows to show.")] = 3,
) -> None:
    """Decoded rows with what is learnt marked, and what was cut."""
    import sys

    from qilin_stages import recipe as recipes
    from qilin_stages.data.preview import preview as rows
    from qilin_stages.planning import opened
    from qilin_stages.stage import get

    found = get(stage)
    cfg = recipes.load(recipe, stage, found.config, overrides or [])
    marks = ("\x1b[32m", "\x1b[0m") if sys.stdout.isatty() else ("⟦", "⟧")
    for text in rows(*opened(found, cfg, data, model), count, marks):
        typer.echo(text)


@app.command()
def merge(
    run: Annotated[Path, typer.Argument(help="A finished run.")],
    out: Annotated[Path, typer.Option(help="Folder of the merged model.")],
) -> None:
    """A run's weights with its adapter merged in, as safetensors that load anywhere."""
    from qilin_stages.training.merging import merge as merge_run

    merge_run(run, out)
    typer.echo(out)


@app.command()
def chat(
    model: Annotated[str, typer.Argument(help="A run, a model folder, or ORG/NAME@REVISION.")],
    tokens: Annotated[int, typer.Option(help="At most so many new tokens per answer.")] = 256,
) -> None:
    """A conversation in the terminal, with the run's template; an empty line starts anew, end of input ends."""
    import sys

    from qilin_stages.data.template import check, read_tokenizer
    from qilin_stages.lineage import resolve
    from qilin_stages.model.talk import load_for_generation, reply
    from qilin_stages.training.launch import quiet

    quiet()
    found = resolve(model)
    tok = read_tokenizer(found.tokenizer)
    check(tok)
    loaded = load_for_generation(found.base, found.adapter)
    messages: list[dict[str, str]] = []
    typer.echo("A research model: its answers are no medical advice. 仅供研究，不能代替医生。", err=True)
    for line in sys.stdin:
        messages = [*messages, {"role": "user", "content": line.strip()}] if line.strip() else []
        if messages:
            answer = reply(loaded, tok, messages, tokens)
            typer.echo(answer)
            messages.append({"role": "assistant", "content": answer})


@app.command("convert-baichuan")
def convert_baichuan(
    source: Annotated[Path, typer.Argument(help="A Baichuan-7B or Baichuan2-7B checkpoint.")],
    out: Annotated[Path, typer.Argument(help="Folder of the Llama model.")],
) -> None:
    """Baichuan's checkpoint in Llama's layout with a fast tokenizer, so that no remote code runs."""
    from qilin_stages.model.baichuan import convert

    convert(source, out)
    typer.echo(out)


def print_plan(made: Plan) -> None:
    """The plan as a table, the launch line last."""
    facts = made.facts
    parts: list[list[object]] = [[f"memory: {name}", f"about {v:.2f} GiB"] for name, v in made.memory.items()]
    about = "exact, by the model's tokenizer" if facts.exact else "estimated from characters"
    rows: list[list[object]] = [
        ["recipe", made.recipe], ["tokens counted", about], ["rows", facts.rows], ["sequences", facts.sequences],
        ["steps x batch", f"{made.steps:,} x {made.batch}"], ["warm-up steps", made.warmup],
        ["tokens per epoch", facts.tokens], ["of them learnt", facts.supervised], ["tokens in all", made.tokens_total],
        ["rows cut", f"{facts.cut_rows:,} ({facts.cut_rows / max(facts.rows, 1):.1%}), {facts.cut_tokens:,} tokens, "
                     f"{facts.dropped_turns:,} turns"],
        ["rows with nothing to learn", facts.empty_rows], ["parameters", made.parameters], ["trained", made.trained],
        ["compute", f"{made.flops:.2e} FLOPs, about {made.hours:.2g} h on {made.gpus} x {made.gpu} at {made.mfu:.0%}"],
        *parts,
        ["memory per GPU", f"about {sum(made.memory.values()):.1f} GiB: " + _FITS[made.fits].format(made.gpu)],
    ]  # fmt: skip
    print_table(
        f"plan of {made.stage}", ["", "value"], [[name, f"{v:,}" if isinstance(v, int) else v] for name, v in rows]
    )
    typer.echo(made.launch)


_FITS = {True: "fits {}", False: "does not fit {}", None: "the size of {} is not known here"}


@app.command()
def push(
    run: Annotated[Path, typer.Argument(help="A finished run.")],
    repo: Annotated[str, typer.Option("--repo", metavar="ORG/NAME", help="Repository on the Hub.")],
    private: Annotated[bool, typer.Option("--private/--public", help="A public repository is always gated.")] = True,
    gated: Annotated[Literal["auto", "manual"] | None, typer.Option(help="How readers get access.")] = None,
    revision: Annotated[str, typer.Option(help="Branch to commit to.")] = "main",
    create_pr: Annotated[bool, typer.Option("--create-pr", help="Open a pull request instead of committing.")] = False,
    tag: Annotated[str | None, typer.Option(help="Tag for the commit; tags never move.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; no token needed.")] = False,
    json: Json = False,
) -> None:
    """Publish a run's model card and weights on the Hub, in one commit, by the data sets' code."""
    from dataclasses import asdict

    from qilin_stages.training.publishing import push as push_run

    with progress("push") as report:
        result = push_run(run, repo, private=private, gated=gated, revision=revision, create_pr=create_pr, tag=tag,
                          dry_run=dry_run, progress=report)  # fmt: skip
    if json:
        print_json(asdict(result))
    else:
        typer.echo(f"{result.status}: {result.url} ({len(result.added)} files, {result.bytes:,} bytes)")
        if result.unseen:
            typer.echo(f"note: {result.unseen}")
