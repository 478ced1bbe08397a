"""Commands: sources, check, plan, build."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from chimed.cli.console import Json, app, loading, print_json, print_table, progress
from chimed.errors import DataError, UsageError

SplitName = Literal["cpt", "sft", "dpo", "all"]

From = Annotated[Path | None, typer.Option("--from", help="Folder with one folder per source; ./upstream by default.")]
Sample = Annotated[bool, typer.Option("--sample", help="Build from the packaged sample.")]
Only = Annotated[str | None, typer.Option(help="Sources by name, comma-separated.")]
Method = Literal["near", "exact", "off"]
Numbers = Literal["same", "ignore"]
Action = Literal["drop", "report", "off"]
Profile = Literal["standard", "strict", "off"]
RecipeFile = Annotated[Path | None, typer.Option("--recipe", help="A recipe (TOML) instead of the packaged one.")]


@app.command()
def sources(place: From = None, as_json: Json = False) -> None:
    """Every source: splits, kind, licence, home, and whether it is here. Example: chimed sources --from upstream"""
    from chimed.build.inputs import find, known_sources
    from chimed.recipe import Recipe
    from chimed.records import SPLITS

    root = place or Path("upstream")
    rows: list[dict[str, Any]] = []
    for name, entry in sorted(known_sources(Recipe()).items()):
        splits = [split for split in SPLITS if split in entry.serves]
        present = root.is_dir() and any(find([entry], split, root)[0] for split in splits)
        rows.append({
            "name": name, "splits": splits, "kind": entry.kind, "license": entry.license,
            "redistributable": entry.redistributable, "expected": entry.expected, "home": entry.home,
            "present": present, "obtain": entry.obtain,
        })  # fmt: skip
    if as_json:
        return print_json(rows)
    head = ["name", "splits", "kind", "license", "redistributable", "expected", "present", "home"]
    shown = [{**row, "splits": " ".join(row["splits"]), "present": "yes" if row["present"] else "-"} for row in rows]
    return print_table("Sources", head, [[row[key] for key in head] for row in shown])


@app.command()
def check(
    source: Annotated[str, typer.Argument(help="A source's name, see chimed sources.")],
    place: Annotated[Path, typer.Option("--from", help="The upstream folder, or the source's own folder.")] = Path(
        "upstream"
    ),
    recipe: Annotated[Path | None, typer.Option("--recipe", help="A recipe (TOML) that adds the source.")] = None,
    as_json: Json = False,
) -> None:
    """Hold your own files against a source's contract. Example: chimed check cmexam --from upstream"""
    from chimed.build.check import check as run
    from chimed.build.inputs import known_sources
    from chimed.recipe import load
    from chimed.source import unknown

    known = known_sources(load(recipe))
    if source not in known:
        raise UsageError(f"{unknown(source, known)} One that a recipe adds is known with --recipe.")
    result = run(known[source], place)
    if as_json:
        return print_json(result)
    print_table(
        f"{source}: {', '.join(result['files'])}",
        [f"{result['row_unit']}s read", "kept", "records"],
        [[result["read"], result["kept"], result["records"]]],
    )
    if result["lost"]:
        print_table(
            "Lost", ["reason", "rows", "first"], [[r, n, result["examples"][r]] for r, n in result["lost"].items()]
        )
    if result["repairs"]:
        print_table("Repaired", ["repair", "records"], [[name, n] for name, n in sorted(result["repairs"].items())])
    for number, record in enumerate(result["samples"], start=1):
        typer.echo(f"\n--- record {number}: {record.pop('file')}, row {record.pop('position')}")
        print_json(record)
    return None


def _order(split: SplitName, place: Path | None, sample: bool, **said: Any) -> Any:
    from chimed.build import Order
    from chimed.build.inputs import upstream_folder
    from chimed.records import SPLITS

    root = upstream_folder(place, sample)
    evals = said.pop("evals")
    if evals and not evals.is_dir():
        raise DataError(f"--evalsets {evals}: no such folder. It holds one folder per set (cmexam_test, ceval, …).")
    evals = evals or root / "eval"
    splits = SPLITS if split == "all" else (split,)
    words = said.pop("only")
    only = tuple(name.strip() for name in (words or "").split(",") if name.strip())
    if words is not None and not only:
        raise UsageError("--only names no source. Give names with commas, or leave it out for all.")
    return Order(splits=splits, root=root, evals=evals, only=only, **said)


def _excluded(words: str | None) -> tuple[str, ...]:
    """Ids of a takedown: a file with one id or content hash per line, or a comma-separated list."""
    if words is None:
        return ()
    if Path(words).is_file():
        lines = _text_of(Path(words)).splitlines()
    elif ":" in words or len(words) == 40:
        lines = words.split(",")
    else:
        raise DataError(f"--exclude {words}: no such file. It takes a file with one id per line, or ids with commas.")
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{file}: not UTF-8 text. Write one id or text hash per line.") from None


@app.command()
def plan(
    split: Annotated[SplitName, typer.Option(help="Which release.")],
    place: From = None, sample: Sample = False, only: Only = None, recipe: RecipeFile = None,
    evalsets: Annotated[Path | None, typer.Option(help="Evaluation sets, one folder per set.")] = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """What a build would read, write and need; writes nothing. Example: chimed plan --split sft --from upstream"""
    from chimed.build.plan import plan as run
    from chimed.recipe import load

    result = run(_order(split, place, sample, out=Path("build"), recipe=load(recipe), only=only, evals=evalsets))
    if as_json:
        return print_json({"splits": result})
    for part in result:
        rows = [[s["source"], len(s["files"]), s["bytes"], s["expected"] or "-", s["license"]] for s in part["sources"]]
        print_table(part["release"], ["source", "files", "bytes", "upstream rows", "license"], rows)
        size = {key: f"{part[key] / 2**20:,.0f} MB" for key in part if key.endswith("bytes")}
        typer.echo(f"reads {size['read_bytes']}, writes about {size['about_written_bytes']}, needs about "
                   f"{size['about_disk_bytes']} of disk while building and {size['about_memory_bytes']} of memory "
                   f"on {part['workers']} core{'s' if part['workers'] > 1 else ''}")  # fmt: skip
        typer.echo("\n".join(f"  {name}: {_words(value)}" for name, value in part["steps"].items()))
        typer.echo(f"absent: {', '.join(part['absent']) or 'none'}\n")
    return None


def _words(value: Any) -> str:
    """A setting in words: `key value` pairs for a table."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {inner}" for key, inner in value.items())
    return ", ".join(value) if isinstance(value, list | tuple) else str(value)


@app.command()
def build(
    split: Annotated[SplitName, typer.Option(help="Which release; all of them with `all`.")],
    place: From = None, sample: Sample = False,
    out: Annotated[Path, typer.Option(help="Where the releases go.")] = Path("build"),
    only: Only = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Read at most so many rows of each source.")] = None,
    exclude: Annotated[str | None, typer.Option(help="Takedown: ids or text hashes; a file or a,b.")] = None,
    recipe: RecipeFile = None,
    dedup: Annotated[Method | None, typer.Option(help="How duplicates are found.")] = None,
    numbers: Annotated[Numbers | None, typer.Option(help="`same`: rows that differ in a dose both stay.")] = None,
    against: Annotated[Path | None, typer.Option(help="An earlier release; what it holds is removed.")] = None,
    guard: Annotated[Action | None, typer.Option(help="Training rows that hold benchmark items.")] = None,
    evalsets: Annotated[Path | None, typer.Option(help="Evaluation sets, one folder per set.")] = None,
    mask: Annotated[Profile | None, typer.Option(help="Rule-based masking of identifiers.")] = None,
    verify_against: Annotated[Path | None, typer.Option(help="Prove that this build equals an earlier release.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes; never changes the result.")] = None,
    engine: Annotated[Literal["local", "ray"], typer.Option(help="Where it runs; never changes the result.")] = "local",
    as_json: Json = False,
) -> None:  # fmt: skip
    """Build releases from upstream files. Example: chimed build --split sft --sample"""
    with loading():
        from chimed.build import build as run
        from chimed.build.inputs import keep_apart
        from chimed.recipe import load, with_options

    said = {"dedup__method": dedup, "dedup__numbers": numbers, "guard__action": guard, "mask": mask}
    words = with_options(load(recipe), **said)
    with progress("build") as report:
        order = _order(
            split, place, sample, out=out, recipe=words, only=only, limit=limit, evals=evalsets, against=against,
            exclude=_excluded(exclude), workers=workers, engine=engine, report=report,
        )  # fmt: skip
        keep_apart(out, order.splits, {"--against": against, "--verify-against": verify_against})
        releases, absent = run(order)
    for release in releases:
        if not release.manifest.steps["guard"].get("checked"):
            typer.echo(
                f"note: {release.manifest.name}: no evaluation sets, so nothing was checked against benchmarks",
                err=True,
            )
    if order.exclude:
        _say_unmatched(releases, order.exclude)
    if verify_against is not None:
        _verify(releases, verify_against)
    if as_json:
        return print_json({"releases": [_entry(release) for release in releases], "absent": absent})
    for release in releases:
        head = ["source", "read", "kept", "records", "lost", "sampled"]
        rows = [
            [s.source, s.read, s.kept, s.records, ", ".join(f"{r} {n}" for r, n in s.lost.items()), s.sampled]
            for s in release.manifest.sources
        ]
        print_table(f"{release.manifest.name}: {release.manifest.rows:,} rows in {release.path}", head, rows)
    if absent:
        typer.echo(f"absent: {', '.join(absent)}")
    return None


def _entry(release: Any) -> dict[str, Any]:
    """The contract's JSON of a built release."""
    manifest = release.manifest
    shape = ("source", "read", "kept", "records", "lost", "sampled")
    sources = [{key: getattr(entry, key) for key in shape} for entry in manifest.sources]
    return {
        "split": manifest.split,
        "path": str(release.path),
        "rows": manifest.rows,
        "bytes": manifest.bytes,
        "sources": sources,
    }


def _say_unmatched(releases: list[Any], names: tuple[str, ...]) -> None:
    from chimed.look import not_taken_down

    for name in not_taken_down(releases, names):
        typer.echo(f"warning: --exclude {name}: no row here has this id or text hash; nothing was taken down", err=True)


def _verify(releases: list[Any], place: Path) -> None:
    """Compare with an earlier release (or a folder of them). Raises DataError where they differ."""
    from chimed.licences import verify_against
    from chimed.release import open_release

    for release in releases:
        folder = place / release.manifest.name if (place / release.manifest.name).is_dir() else place
        differing = [compared for compared in verify_against(release, open_release(folder)) if not compared.equal]
        if differing:
            lines = [f"{c.source}: {c.missing} missing, {c.extra} extra, {c.changed} changed" for c in differing]
            raise DataError(f"{release.manifest.name} is not the same as {folder}:\n  " + "\n  ".join(lines))
        typer.echo(f"{release.manifest.name}: the same as {folder}", err=True)
