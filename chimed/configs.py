"""Configs of a published release: which files each name loads, and the YAML by which the datasets library knows it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from chimed.errors import DataError
from chimed.release import FileEntry, Manifest

Files = dict[str, list[str]]

WHOLE = ("default", "all")
TRAINERS = ("llamafactory", "swift")
RESERVED = frozenset({*WHOLE, *TRAINERS, "general", "medical", "permissive", "data"})
_SHARD = re.compile(r"(?P<folder>data|llamafactory|swift)/(?P<source>[^/]+)/(?P<part>\w+)-\d{5}-of-\d{5}\.parquet")


def _placed(manifest: Manifest) -> list[tuple[str, str, str, FileEntry]]:
    """Data files as (folder, source, part, file), in manifest order."""
    found = []
    for file in manifest.files:
        match = _SHARD.fullmatch(file.path)
        if match is not None:
            found.append((match["folder"], match["source"], match["part"], file))
    return found


def configs(manifest: Manifest) -> dict[str, Files]:
    """Config name -> part (train, validation) -> paths; empty configs are left out.

    `default` and `all` are every row, `general` and `medical` go by the
    domain of the source (a file holds one source, whose rows may differ: the card says so), `permissive` holds the sources that may be
    passed on without conditions, then comes one config per source; preference releases add the shapes that
    LLaMA-Factory and ms-swift load. Raises DataError where a source has the name of one of these.
    """
    taken = sorted({entry.source for entry in manifest.sources} & RESERVED)
    if taken:
        raise DataError(f"{manifest.name}: source {taken[0]} has the name of a config. Rename the source.")
    domain = {entry.source: entry.domain for entry in manifest.sources}
    permissive = {entry.source for entry in manifest.sources if entry.redistributable == "yes"}
    names = [*WHOLE, "general", "medical", "permissive", *domain, *TRAINERS]
    found: dict[str, Files] = {name: {} for name in names}
    for folder, source, part, file in _placed(manifest):
        loads = [*WHOLE, domain[source], source] + (["permissive"] if source in permissive else [])
        for name in loads if folder == "data" else [folder]:
            found[name].setdefault(part, []).append(file.path)
    return {name: files for name, files in found.items() if files}


def metadata(manifest: Manifest) -> dict[str, Any]:
    """`configs` and `dataset_info` of the card's YAML, as the datasets library itself writes them (a test compares).

    `num_bytes` are the bytes of the shards; `num_examples` is checked by the library on every load. The library is not
    asked, for importing it costs more than all else at the start of a build.
    """
    from chimed.export import arrow_schema

    known = {file.path: file for file in manifest.files}
    infos: list[dict[str, Any]] = []
    entries: list[dict[str, Any]] = []
    for name, files in sorted(configs(manifest).items()):
        splits = [_split(part, [known[path] for path in paths]) for part, paths in files.items()]
        size = sum(split["num_bytes"] for split in splits)
        features = fields(arrow_schema(manifest.split, name if name in TRAINERS else None))
        info = {"config_name": name, "features": features, "splits": splits}
        infos.append(info | {"download_size": size, "dataset_size": size})
        entry: dict[str, Any] = {"data_files": [{"split": part, "path": paths} for part, paths in files.items()]}
        entries.append({"config_name": name} | entry | ({"default": True} if name == "default" else {}))
    return {"dataset_info": infos, "configs": entries} if entries else {}


def fields(fields: Iterable[Any]) -> list[dict[str, Any]]:
    """Names and types of Arrow fields in the library's short form."""
    return [{"name": field.name} | _type(field.type) for field in fields]


def _type(kind: Any) -> dict[str, Any]:
    if not hasattr(kind, "value_type"):
        return {"dtype": str(kind)}
    inner = kind.value_type
    if hasattr(inner, "value_type"):
        return {"list": _type(inner)}
    return {"list": fields(inner) if inner.num_fields else str(inner)}


def _split(part: str, files: list[FileEntry]) -> dict[str, Any]:
    size, rows = sum(file.bytes for file in files), sum(file.rows or 0 for file in files)
    return {"name": part, "num_bytes": size, "num_examples": rows}


def check_card(text: str, files: set[str]) -> None:
    """Refuse a card that the Hub or the datasets library would refuse, without asking them. Raises DataError."""
    import yaml

    match = re.match(r"---\r?\n(.*?)\r?\n---\r?\n", text, re.DOTALL)
    if match is None:
        raise DataError("README.md: no YAML block between two lines of ---. Render the card again.")
    try:
        data = yaml.safe_load(match[1])
    except yaml.YAMLError as error:
        raise DataError(f"README.md: the YAML block does not parse: {str(error).splitlines()[0]}.") from None
    if not isinstance(data, dict):
        raise DataError("README.md: the YAML block is not a mapping. Render the card again.")
    if "More Information Needed" in text:
        raise DataError("README.md: a placeholder of the template is left. Render the card again.")
    _check_configs(data.get("configs", []), files)


def _check_configs(entries: Any, files: set[str]) -> None:
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DataError("README.md: configs is not a list of mappings.")
    names = [entry.get("config_name") for entry in entries]
    double = sorted({str(name) for name in names if names.count(name) > 1})
    if double:
        raise DataError(f"README.md: config {double[0]} is there twice.")
    for entry in entries:
        for item in entry.get("data_files", []):
            paths = item["path"] if isinstance(item["path"], list) else [item["path"]]
            missing = [path for path in paths if "*" not in path and path not in files]
            if missing:
                raise DataError(f"README.md: config {entry['config_name']} names {missing[0]}, which is not published.")
