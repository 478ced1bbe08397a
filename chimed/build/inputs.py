"""Before a build writes anything: which sources are here, which files they have, and whether those can be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chimed import packaged, source
from chimed.errors import DataError, UsageError
from chimed.parquet import sha256_of
from chimed.recipe import Recipe
from chimed.records import RELEASE_NAMES, Split
from chimed.release import UpstreamFile
from chimed.source import Source
from chimed.sources import own_files

DEFAULT_FROM = Path("upstream")


@dataclass(frozen=True)
class Input:
    """A source that is present: its folder and the files that will be read, in order."""

    source: Source
    folder: Path
    files: tuple[str, ...]

    def upstream_files(self) -> list[UpstreamFile]:
        """The files with size and checksum (reads them once)."""
        paths = [(name, self.folder / name) for name in self.files]
        return [UpstreamFile(path=name, sha256=sha256_of(path), bytes=path.stat().st_size) for name, path in paths]

    def bytes(self) -> int:
        """Size of all files."""
        return sum((self.folder / name).stat().st_size for name in self.files)


def upstream_folder(place: Path | None, sample: bool) -> Path:
    """The folder of upstream files: the packaged sample, the one named, or ./upstream.

    Raises UsageError when there is nothing to read, and says in two lines what to do.
    """
    if sample and place:
        raise UsageError(f"--sample and --from {place}: one of the two. --sample reads the packaged sample alone.")
    if sample:
        return packaged.folder("sample")
    folder = place or DEFAULT_FROM
    if folder.is_dir():
        return folder
    if folder.exists():
        raise DataError(f"{folder}: a file, not a folder. --from names the folder that holds one folder per source.")
    if place is None:
        raise UsageError(
            "no upstream files: ./upstream is not here.\n"
            "Try the packaged sample with --sample, or put the files into ./upstream/<source>/ (see chimed sources) "
            "or name their folder with --from."
        )
    raise DataError(f"{folder}: no such folder. --from names the folder that holds one folder per source.")


def known_sources(words: Recipe) -> dict[str, Source]:
    """All sources by name, set as the recipe says: installed ones and those it adds.

    Raises UsageError for a name taken twice, an unknown source in options, mixture or priority, or an unknown option.
    """
    sources = dict(source.discover())
    for name, chosen_options in words.options.items():
        if name not in sources:
            raise UsageError(f"the recipe sets options of {name!r}, which is no source. See chimed sources.")
        sources[name] = sources[name].with_options(chosen_options)
    for table in words.source:
        own = own_files.from_table(table)
        if own.name in sources:
            raise UsageError(f"the recipe's source {own.name!r} has the name of an installed one. Choose another name.")
        sources[own.name] = own
    for name in (*words.mixture.sources, *words.dedup.priority):
        if name not in sources:
            raise source.unknown(name, sources)
    return sources


def chosen(sources: dict[str, Source], split: Split, only: Sequence[str]) -> list[Source]:
    """Sources that serve a split, in name order; those that are built only when named need `only`."""
    for name in only:
        if name not in sources:
            raise source.unknown(name, sources)
    wanted = set(only) or {name for name, entry in sources.items() if not entry.only_when_named}
    return [entry for name, entry in sorted(sources.items()) if name in wanted and split in entry.serves]


def refuse_unserved(sources: dict[str, Source], splits: Sequence[Split], only: Sequence[str]) -> None:
    """Raise UsageError for a named source that serves none of the splits; says which other one reads its files."""
    for name in only:
        entry = sources.get(name)
        if entry is None or not entry.serves.isdisjoint(splits):
            continue
        place = entry.folder or name
        others = [
            other.name
            for other in sources.values()
            if (other.folder or other.name) == place and not other.serves.isdisjoint(splits)
        ]
        hint = f" From the same files {', '.join(others)} does." if others else ""
        raise UsageError(f"{name} serves {', '.join(sorted(entry.serves))}, not {', '.join(splits)}.{hint}")


def keep_apart(out: Path, splits: Sequence[Split], named: Mapping[str, Path | None]) -> None:
    """Raise UsageError where an option names the release that this build would replace: it would be met by itself."""
    for option, place in named.items():
        for target in (out / RELEASE_NAMES[split] for split in splits):
            if (
                place
                and target.is_dir()
                and any(p.is_dir() and p.samefile(target) for p in (place, place / target.name))
            ):
                raise UsageError(
                    f"{option} {place}: this build would replace {target}. Name another folder with --out."
                )


def find(entries: Sequence[Source], split: Split, root: Path) -> tuple[list[Input], list[str]]:
    """Present sources with their files, and the names of absent ones."""
    present, absent = [], []
    for entry in entries:
        folder = entry.place(root)
        files = entry.files(folder, split) if folder.is_dir() else []
        if files:
            present.append(Input(entry, folder, tuple(files)))
        else:
            absent.append(entry.name)
    return present, absent
