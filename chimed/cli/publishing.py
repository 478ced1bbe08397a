"""Commands: fetch, export, push."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from chimed.cli.console import Json, app, print_json, progress

if TYPE_CHECKING:
    from chimed.hub import PushResult

ReleaseFolder = Annotated[
    Path, typer.Argument(metavar="RELEASE", help="Folder of a release, such as build/ChiMed-SFT.")
]


def _only_our_bars() -> None:
    """The client draws its own bars even where nobody watches."""
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()


@app.command()
def fetch(
    to: Annotated[Path, typer.Option(help="Folder for the upstream files, one folder per source.")],
    names: Annotated[list[str] | None, typer.Argument(metavar="SOURCE", help="Sources; all if none.")] = None,
    as_json: Json = False,
) -> None:
    """Download upstream files that have a direct address; say how to obtain the others.

    Interrupted downloads go on where they stopped; checksums, and the revision or ETag met, are written to FETCHED.json
    beside the files. What is not pinned to a revision is named.

    Example: chimed fetch cmexam school_math --to upstream
    """
    from chimed.fetch import chosen
    from chimed.fetch import fetch as run
    from chimed.source import discover

    _only_our_bars()
    with progress("fetch") as report:
        results = run(chosen(dict(discover()), names or []), to, report)
    if as_json:
        return print_json([asdict(result) for result in results])
    for result in results:
        if result.fetched or result.present:
            counts = f"{len(result.fetched)} files fetched, {len(result.present)} were there"
            typer.echo(f"{result.source}: {counts}: {result.folder}")
        if result.unpinned:
            typer.echo(f"{result.source}: not pinned to a revision, upstream may change: {', '.join(result.unpinned)}. "
                       "FETCHED.json holds the state that came.")  # fmt: skip
        if result.obtain or not (result.fetched or result.present):
            typer.echo(f"{result.source}: not fetched: {result.obtain or result.home} Put it into {result.folder}.")
    return None


@app.command()
def push(
    release: ReleaseFolder,
    repo: Annotated[str, typer.Option("--repo", metavar="ORG/NAME", help="Repository on the Hub.")],
    private: Annotated[bool, typer.Option("--private/--public", help="A public repository is always gated.")] = True,
    gated: Annotated[Literal["auto", "manual"] | None, typer.Option(help="How readers get access.")] = None,
    revision: Annotated[str, typer.Option(help="Branch to commit to; made where it is not there.")] = "main",
    create_pr: Annotated[bool, typer.Option("--create-pr", help="Open a pull request instead of committing.")] = False,
    tag: Annotated[str | None, typer.Option(help="Tag for the commit, such as v1.0.0; tags never move.")] = None,
    include_restricted: Annotated[
        bool, typer.Option("--include-restricted", help="You hold the right to pass on every source; the card says so.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; no token needed.")] = False,
    as_json: Json = False,
) -> None:
    """Publish a release on the Hugging Face Hub: one commit, verified.

    The Hub is the one of HF_ENDPOINT; the token comes from HF_TOKEN or `hf auth login`.

    Example: chimed push build/ChiMed-SFT --repo org/ChiMed-SFT --dry-run
    """
    from chimed.hub import push_to_hub
    from chimed.release import open_release

    opened = open_release(release)
    _only_our_bars()
    with progress("push") as report:
        result = push_to_hub(
            opened, repo, private=private, gated=gated, revision=revision, create_pr=create_pr, tag=tag,
            include_restricted=include_restricted, dry_run=dry_run, progress=report,
        )  # fmt: skip
    print_json(asdict(result)) if as_json else _print_push(result)


def _print_push(result: PushResult) -> None:
    for name, size in result.added.items():
        typer.echo(f"add      {size:>14,}  {name}")
    for name in result.deleted:
        typer.echo(f"delete   {'':>14}  {name}")
    for source in result.refused:
        typer.echo(f"refused  {source.bytes:>14,}  {source.source}: {source.records:,} rows, not redistributable "
                   f"(licence: {source.license}); its recipe goes instead")  # fmt: skip
    for name in result.foreign:
        typer.echo(f"foreign  {'':>14}  {name} (left alone)")
    if result.unseen:
        typer.echo(f"note     {result.unseen}")
    done = {"planned": "would be published at", "published": "published at", "proposed": "proposed at",
            "unchanged": "unchanged at"}[result.status]  # fmt: skip
    typer.echo(f"{len(result.added)} files, {result.bytes:,} bytes, {len(result.unchanged)} unchanged; "
               f"{done} {result.pull_request or result.url}")  # fmt: skip
    if result.commit and not result.pull_request:
        typer.echo(f"commit {result.commit}" + (f", tag {result.tag}" if result.tag else ""))


@app.command()
def export(
    release: ReleaseFolder,
    to: Annotated[Literal["llamafactory", "swift", "qilin", "jsonl"], typer.Option(help="Whose layout.")],
    out: Annotated[Path, typer.Option(help="New or empty folder.")],
    as_json: Json = False,
) -> None:
    """Write a release in the layout of another trainer.

    Example: chimed export build/ChiMed-DPO --to llamafactory --out llamafactory
    """
    from chimed.export import export as write
    from chimed.release import open_release

    files = write(open_release(release), to, out)
    if as_json:
        print_json({"files": [{"path": str(path), "bytes": path.stat().st_size} for path in files]})
    else:
        for path in files:
            typer.echo(f"{path.stat().st_size:>14,}  {path}")
