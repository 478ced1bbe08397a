"""Commands: dedup, mask."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from chimed.cli.console import Json, app, print_json, print_table, progress


@app.command()
def dedup(
    files: Annotated[list[Path], typer.Argument(help="JSON Lines or Parquet; of two copies the first one stays.")],
    out: Annotated[Path, typer.Option(help="Kept rows; the lost ones go to OUT.lost.parquet.")],
    column: Annotated[str, typer.Option(help="Column of texts, or of lists of messages.")] = "text",
    method: Annotated[Literal["near", "exact", "substring"], typer.Option(help="What counts as a copy.")] = "near",
    preset: Annotated[
        Literal["default", "strict", "lee2022"] | None, typer.Option(help="near: hashes and bands; `default` if none.")
    ] = None,
    against: Annotated[Path | None, typer.Option(help="A release whose rows count as read before.")] = None,
    threshold: Annotated[float | None, typer.Option(help="near: least similarity of copies; 0.8 if none.")] = None,
    numbers: Annotated[
        Literal["same", "ignore"] | None,
        typer.Option(help="near, exact: `same` (if none): other doses, no copy."),
    ] = None,
    engine: Annotated[Literal["local", "ray"], typer.Option(help="Where it runs; never changes the result.")] = "local",
    as_json: Json = False,
) -> None:
    """Remove copies from anyone's texts. Example: chimed dedup texts.jsonl --out unique.jsonl --column text"""
    from chimed import engine as engines
    from chimed.dedup.files import Job, deduplicate
    from chimed.dedup.settings import settings_for
    from chimed.release import open_release

    settings = settings_for(method, preset, threshold, numbers)
    earlier = open_release(against) if against else None
    with progress("deduplicating") as report:
        facts = deduplicate(
            Job(files, out, column), method, settings, against=earlier, progress=report,
            find=engines.finder(engine, method),
        )  # fmt: skip
    if as_json:
        return print_json(facts)
    rows = [["read", facts["read"]], ["kept", facts["kept"]], *([k, n] for k, n in facts["lost"].items())]
    rows += [[name.replace("_", " "), facts[name]] for name in ("saved_by_numbers", "cut") if name in facts]
    return print_table(f"{method}, {facts['seconds']} s, {out}", ["rows", "count"], rows)


@app.command()
def mask(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Plain text, JSON Lines or Parquet.")],
    out: Annotated[Path, typer.Option(help="The masked file; its ending says the format.")],
    column: Annotated[str, typer.Option(help="The column to mask: text, or lists of messages.")] = "text",
    profile: Annotated[
        Literal["standard", "strict"],
        typer.Option(help="strict also masks hospitals, all days, exact ages and 400/800 lines."),
    ] = "standard",
    as_json: Json = False,
) -> None:
    """Mask personal identifiers by rule, with measured recall. Example: chimed mask notes.jsonl --out masked.jsonl

    With a secret in CHIMED_SURROGATE_KEY equal values get equal surrogates instead of placeholders.
    """
    from chimed.privacy import Masker, key_from_environment
    from chimed.privacy.files import mask_file

    masker = Masker(profile, key_from_environment())
    with progress("mask") as report:
        done = mask_file(source, out, column, masker, report)
    counts = dict(sorted(done.counts.items()))
    if as_json:
        return print_json({"rows": done.rows, "changed": done.changed, "counts": counts})
    print_table(
        f"{out}: {done.rows:,} rows, {done.changed:,} changed", ["type", "masked"], [[*i] for i in counts.items()]
    )
    return None
