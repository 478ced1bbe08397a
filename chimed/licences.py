"""What may be published: which sources a push carries, what stands for those it may not, and proof of a rebuild."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from chimed.errors import DataError
from chimed.parquet import read_batches, sha256_of, write_one
from chimed.release import Manifest, Release, SourceEntry

RECIPES, RECIPE_FILE, EXCLUDED_FILE = "recipes", "recipe.toml", "excluded.txt"
_HASHES = pa.schema([("id", pa.string()), ("sha256", pa.binary(32))])
_FACTS = {"source", "home", "license", "revision", "attribution", "files", "read", "kept", "records", "lost"}


@dataclass(frozen=True)
class Refused:
    """A source whose rows stay at home: its licence, how many rows and bytes of shards that concerns."""

    source: str
    license: str
    records: int
    bytes: int


def refused(manifest: Manifest, include_restricted: bool = False) -> list[Refused]:
    """Sources that upstream does not let anyone pass on; none where the user holds the right to."""
    if include_restricted:
        return []
    return [
        Refused(entry.source, entry.license, entry.records, _bytes(manifest, entry.source))
        for entry in manifest.sources
        if entry.redistributable == "no"
    ]


def _bytes(manifest: Manifest, source: str) -> int:
    return sum(file.bytes for file in manifest.files if file.path.startswith(f"data/{source}/"))


def notices(manifest: Manifest) -> str:
    """LICENSE.md: per source its licence, its authors and the sentence that must travel with it."""
    lines = [
        f"# Licences of {manifest.name}",
        "",
        "Every source keeps its own licence; the column `license` says which one holds for a row. "
        "Nothing here is medical advice: the data are for research and support no clinical decision.",
        "",
        "| source | licence | passing on | attribution |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| [{e.source}]({e.home}) | {e.license} | {e.redistributable} | {e.attribution} |" for e in manifest.sources
    ]
    lines += ["", *(f"- {e.source}: {e.notice}" for e in manifest.sources if e.notice)]
    return "\n".join(lines).rstrip() + "\n"


def row_hashes(batch: pa.RecordBatch) -> list[bytes]:
    """SHA-256 of each row as canonical JSON (sorted keys, UTF-8)."""
    import orjson

    return [hashlib.sha256(orjson.dumps(r, option=orjson.OPT_SORT_KEYS)).digest() for r in batch.to_pylist()]


def _hashed(release: Release, source: str) -> Iterator[pa.RecordBatch]:
    """(id, hash) of every published row of a source, in order of parts and shards."""
    for part in ("train", "validation"):
        for batch in release.batches(part, source=source):
            yield pa.record_batch([batch["id"], pa.array(row_hashes(batch), pa.binary(32))], schema=_HASHES)


def write_recipe(release: Release, source: str, folder: Path) -> list[Path]:
    """Write into `folder` how to rebuild the rows of a source that may not be passed on, and their ids and hashes.

    `<source>.json` has the facts and the commands, `<source>.parquet` one id and SHA-256 per row, `recipe.toml` the
    recipe of the whole build; `excluded.txt` its takedowns. None of them holds text of the source.
    """
    manifest = release.manifest
    entry = next(e for e in manifest.sources if e.source == source)
    hashes = write_one(folder / f"{source}.parquet", _hashed(release, source), _HASHES)
    facts = entry.model_dump(mode="json", include=_FACTS) | {
        "release": manifest.name, "version": manifest.version, "versions": manifest.versions,
        "settings": manifest.settings, "steps": manifest.steps, "commands": _commands(manifest, source),
        "rows": {"path": f"{RECIPES}/{source}.parquet", "sha256": hashes.sha256, "count": hashes.rows},
    }  # fmt: skip
    written = [_text(folder / f"{source}.json", json.dumps(facts, ensure_ascii=False, indent=2, sort_keys=True))]
    if isinstance(manifest.settings.get("recipe"), dict):
        written.append(_text(folder / RECIPE_FILE, toml(manifest.settings["recipe"])))
    if manifest.excluded:
        written.append(_text(folder / EXCLUDED_FILE, "\n".join(manifest.excluded)))
    return [*written, hashes.path]


def _text(path: Path, text: str) -> Path:
    path.write_bytes((text + "\n").encode())
    return path


def toml(table: dict[str, Any]) -> str:
    """A table as TOML, one line per key: JSON's strings and numbers are TOML's, its objects become inline tables."""
    return "\n".join(f"{key} = {_inline(value)}" for key, value in table.items() if value is not None)


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        pairs = (f"{json.dumps(k, ensure_ascii=False)} = {_inline(v)}" for k, v in value.items() if v is not None)
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _commands(manifest: Manifest, source: str) -> list[str]:
    """What to type. All sources are built together, because duplicates are looked for across them."""
    settings = manifest.settings
    flags = f" --recipe RELEASE/{RECIPES}/{RECIPE_FILE}" if isinstance(settings.get("recipe"), dict) else ""
    flags += f" --exclude RELEASE/{RECIPES}/{EXCLUDED_FILE}" if manifest.excluded else ""
    flags += f" --only {','.join(settings['only'])}" if settings.get("only") else ""
    flags += f" --limit {settings['limit']}" if settings.get("limit") else ""
    others = " ".join(entry.source for entry in manifest.sources if entry.source != source)
    return [
        *([f"chimed fetch {others} --to UPSTREAM"] if others else []),
        f"cp -r YOUR_COPY UPSTREAM/{source}",
        f"chimed check {source} --from UPSTREAM",
        f"chimed build --split {manifest.split} --from UPSTREAM{flags} --out BUILD --verify-against RELEASE",
    ]


@dataclass(frozen=True)
class Compared:
    """One source of two releases: rows with equal id and content, missing in the rebuild, new in it, changed."""

    source: str
    same: int
    missing: int
    extra: int
    changed: int

    @property
    def equal(self) -> bool:
        """Whether the rebuild has exactly the rows of the release."""
        return not (self.missing or self.extra or self.changed)


def verify_against(rebuilt: Release, published: Release) -> list[Compared]:
    """Compare a rebuild with a published release, source by source; withheld sources by their recipes' hashes.

    Raises DataError where the two are different splits or a recipe's file is not the one it names.
    """
    if rebuilt.split != published.split:
        raise DataError(f"{published.path}: a {published.split} release; the rebuild is {rebuilt.split}.")
    mine = {entry.source for entry in rebuilt.manifest.sources}
    recipes = {path.stem: path for path in sorted((published.path / RECIPES).glob("*.json"))}
    theirs = {entry.source for entry in published.manifest.sources} | set(recipes)
    return [
        _compare(source, _table(_hashed(rebuilt, source)), _expected(published, source, recipes.get(source)))
        for source in sorted(mine | theirs)
    ]


def _table(batches: Iterator[pa.RecordBatch]) -> pa.Table:
    return pa.Table.from_batches(batches, _HASHES)


def _expected(published: Release, source: str, recipe: Path | None) -> pa.Table:
    if recipe is None:
        return _table(_hashed(published, source))
    named: dict[str, Any] = json.loads(recipe.read_text(encoding="utf-8"))["rows"]
    path = published.path / RECIPES / f"{source}.parquet"
    if not path.is_file() or sha256_of(path) != named["sha256"]:
        raise DataError(f"{path}: not the file that {recipe.name} names. Download the release again.")
    return _table(read_batches(path))


def _compare(source: str, rebuilt: pa.Table, published: pa.Table) -> Compared:
    import pyarrow.compute as pc

    both = rebuilt.join(published, "id", join_type="inner", right_suffix="_published")
    same = pc.sum(pc.equal(both["sha256"], both["sha256_published"])).as_py() or 0
    found = both.num_rows
    return Compared(source, same, published.num_rows - found, rebuilt.num_rows - found, found - same)


def published_entry(entry: SourceEntry) -> dict[str, Any]:
    """What the published manifest says of a source whose rows were withheld."""
    return {
        "license": entry.license,
        "home": entry.home,
        "records": entry.records,
        "recipe": f"{RECIPES}/{entry.source}.json",
    }
