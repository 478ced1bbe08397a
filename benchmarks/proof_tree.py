"""The upstream tree of the proof: of each source the layout with most bytes, one textbook held back, evaluation sets.

Nothing is copied out of the given folder but what a build reads, and nothing is written into it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from chimed import evalsets
from chimed.readers import Passages
from chimed.source import Source, discover

HELD_OUT = "病理生理学"
NOT_BUILT = {"chimed_release"}


def compose(given: Path, out: Path) -> dict[str, str]:
    """Lay the tree into `out` (whole or not at all); where each source came from, relative to `given`."""
    part = out.with_name(out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    taken = {}
    for source in discover().values():
        folder = source.folder or source.name
        if source.name in NOT_BUILT or folder in taken:
            continue
        if best := _largest(source, _layouts(given, folder)):
            taken[folder] = str(best.relative_to(given))
            _copy(best, _files(source, best), part / folder)
    for name in ("ceval", "cmexam_test", "huatuo26m_test"):
        places = [place for place in _layouts(given / "eval", name, given) if evalsets.sets_in(place.parent)]
        if best := max(places, key=lambda place: _answered(place, name), default=None):
            taken[f"eval/{name}"] = str(best.relative_to(given))
            shutil.copytree(best, part / "eval" / name, ignore=shutil.ignore_patterns("variants"))
    _hold_back(part)
    part.rename(out)
    return taken


def _layouts(home: Path, folder: str, given: Path | None = None) -> list[Path]:
    """A source's own folder, other layouts of it, and re-laid ones."""
    made = (given or home) / "_made" / folder
    places = [home / folder, *sorted((home / folder / "variants").glob("*")), *sorted(made.glob("*"))]
    return [place for place in places if place.is_dir()]


def _files(source: Source, place: Path) -> list[str]:
    found = source.reader.find(place)
    return [] if source.reader.faults(place, found) else found


def _bytes(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def _answered(place: Path, name: str) -> tuple[int, int]:
    """Items with a reference answer or an explanation, and all items, of one layout of an evaluation set."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).symlink_to(place)
        items = list(evalsets.read_items(Path(folder), name))
    return sum(bool(item.reference) for item in items), len(items)


def _largest(source: Source, places: list[Path]) -> Path | None:
    sizes = {place: _bytes(place / name for name in _files(source, place)) for place in places}
    return max(sizes, key=lambda place: sizes[place]) if any(sizes.values()) else None


def _copy(place: Path, names: list[str], out: Path) -> None:
    """The files that a source reads; of a folder shared by two sources everything but other layouts."""
    if out.name == "cmexam":
        shutil.copytree(place, out, ignore=shutil.ignore_patterns("variants"))
        return
    for name in names:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(place / name, out / name)


def _hold_back(tree: Path) -> None:
    """Take one book out of the textbooks: its text is what perplexity is measured on."""
    book = next((tree / "medqa_textbooks").rglob(f"{HELD_OUT}.txt"), None)
    if book is None:
        raise SystemExit(f"no textbook {HELD_OUT}.txt among the files: perplexity needs a book to hold back.")
    (tree / "held_out").mkdir()
    book.rename(tree / "held_out" / "book.txt")


def passages(tree: Path) -> list[str]:
    """The held-out book in passages of at most 1,000 characters."""
    reader = Passages(("*.txt",), limit=1_000)
    place = tree / "held_out"
    return [row.value for row in reader.read(place, reader.find(place)) if isinstance(row.value, str)]
