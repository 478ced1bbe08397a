"""Commands: stats, look, trace, validate, schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from chimed.cli.console import Json, app, print_json, print_table, progress
from chimed.errors import DataError

ReleaseFolder = Annotated[Path, typer.Argument(help="A release folder, such as build/ChiMed-SFT.")]


@app.command()
def stats(
    release: ReleaseFolder,
    tokenizer: Annotated[Path | None, typer.Option(help="Folder of a Hugging Face tokenizer, to count tokens.")] = None,
    as_json: Json = False,
) -> None:
    """The paper's Table 1, 2 or 3 for a release. Example: chimed stats build/ChiMed-CPT"""
    from chimed.release import open_release
    from chimed.statistics import stats as run
    from chimed.statistics import tokenizer_at

    opened = open_release(release)
    with progress("count") as report:
        result = run(opened, tokenizer_at(tokenizer) if tokenizer else None, report)
    if as_json:
        return print_json(result)
    head = ["source", "samples", "tokens", "MB", "paper samples", "paper MB", "upstream rows", "note"]
    keys = ["source", "samples", "tokens", "megabytes", "paper_samples", "paper_megabytes", "upstream_rows", "note"]
    total = result["total"]
    rows = [[row[key] for key in keys] for row in result["sources"]]
    rows.append(
        [
            "all",
            total["samples"],
            total["tokens"],
            total["megabytes"],
            total["paper_samples"],
            total["paper_megabytes"],
            None,
            "",
        ]
    )
    return print_table(f"{result['release']} beside the paper's table", head, rows)


@app.command()
def look(
    release: ReleaseFolder,
    name: Annotated[str | None, typer.Argument(metavar="ID", help="One record by id.")] = None,
    source: Annotated[str | None, typer.Option(help="Of one source only.")] = None,
    lost: Annotated[bool, typer.Option("--lost", help="Lost rows, with reasons and twins.")] = False,
    reason: Annotated[str | None, typer.Option(help="With --lost: of one reason, such as near_duplicate.")] = None,
    count: Annotated[int, typer.Option("-n", min=1, help="How many.")] = 5,
    as_json: Json = False,
) -> None:
    """Show records, or lost rows with reasons. Example: chimed look build/ChiMed-SFT --lost -n 10"""
    from chimed.look import look as run
    from chimed.release import open_release

    opened = open_release(release)
    rows = run(opened, name, source=source, lost=lost, reason=reason, count=count)
    if not rows:
        reasons = sorted({known for entry in opened.manifest.sources for known in entry.lost})
        typer.echo(f"none here. Rows were lost for: {', '.join(reasons) or 'nothing'}.", err=True)
    if as_json:
        return print_json(rows)
    for row in rows:
        _show(row)
    return None


def _show(row: dict[str, Any]) -> None:
    typer.echo(f"--- {row['id']}")
    for key, value in row.items():
        if key in {"messages", "prompt", "chosen", "rejected"}:
            typer.echo(f"{key}:")
            for message in value:
                typer.echo(f"  [{message['role']}] {message['content']}")
        elif key != "id" and value is not None:
            typer.echo(f"{key}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}")
    typer.echo("")


@app.command()
def trace(
    release: ReleaseFolder,
    name: Annotated[str, typer.Argument(metavar="ID", help="A published or lost id.")],
    place: Annotated[Path | None, typer.Option("--from", help="Upstream files, where they have moved.")] = None,
    as_json: Json = False,
) -> None:
    """From an id back to the upstream row, and what each step did. Example: chimed trace build/ChiMed-SFT cmd:0123…"""
    from chimed.release import open_release
    from chimed.trace import trace as run

    result = run(open_release(release), name, place)
    if as_json:
        return print_json(result)
    typer.echo(
        f"{result['id']}\n{result['state']}, from {result['origin']['file']}, row {result['origin']['position']}\n"
    )
    typer.echo(result["raw"])
    return print_table(
        "Steps", ["step", "version", "did"], [[s["step"], s["version"], s["did"]] for s in result["steps"]]
    )


@app.command()
def validate(release: ReleaseFolder, as_json: Json = False) -> None:
    """Schema, ledger, checksums, and the card's numbers. Example: chimed validate build/ChiMed-SFT"""
    from chimed.release import open_release
    from chimed.validation import validate as run

    with progress("validate") as report:
        problems = run(open_release(release), report)
    if as_json:
        print_json({"ok": not problems, "problems": problems})
    elif not problems:
        typer.echo(f"{release}: sound")
    if problems:
        if not as_json:
            typer.echo("\n".join(problems))
        raise DataError(f"{release}: {len(problems)} problem{'s' if len(problems) > 1 else ''}.")


@app.command()
def schema(
    check: Annotated[bool, typer.Option("--check", help="Only say whether schemas/ is up to date.")] = False,
    to: Annotated[Path | None, typer.Option(help="Their folder; ./schemas by default.")] = None,
) -> None:
    """Write (or check) the JSON Schemas of records, published rows and manifest. Example: chimed schema --check"""
    from chimed.packaged import folder
    from chimed.schemas import stale, write

    place = to or Path("schemas")
    if check:
        place = place if to or place.is_dir() else folder("schemas")
        old = stale(place)
        if old:
            raise DataError(f"{', '.join(old)}: not what the models say. Run chimed schema and commit.")
        return typer.echo(f"{place}: up to date")
    return typer.echo("\n".join(str(path) for path in write(place)))


@app.command()
def diff(
    old: ReleaseFolder,
    new: ReleaseFolder,
    changelog: Annotated[
        bool, typer.Option("--changelog", help="Print the changelog of the new release instead.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Added, removed and changed rows per source. Example: chimed diff v1/ChiMed-SFT v2/ChiMed-SFT"""
    from chimed.diff import diff as run
    from chimed.diff import next_entry
    from chimed.release import open_release

    before = open_release(old)
    result = run(before, open_release(new))
    if changelog:
        return typer.echo(next_entry(before, result), nl=False)
    if as_json:
        return print_json(result)
    rows = [[name, *counts.values()] for name, counts in result["sources"].items()]
    print_table(f"{old} to {new}", ["source", "added", "removed", "changed"], rows)
    return typer.echo(f"version by these changes: {result['version']}")


@app.command()
def report(
    release: ReleaseFolder,
    out: Annotated[Path | None, typer.Option(help="Where the HTML goes; printed is its path.")] = None,
) -> None:
    """One self-contained HTML file with plots. Example: chimed report build/ChiMed-SFT"""
    from chimed.release import open_release
    from chimed.report import render

    opened = open_release(release)
    target = out or opened.path / "report.html"
    target.write_text(render(opened.path, opened.manifest), encoding="utf-8")
    typer.echo(str(target))
