"""Commands: dedup, mask."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from chimed.cli.console import Json, app, print_json, print_table, progress


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
