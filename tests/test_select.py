"""Which rows stay: the mixture, takedowns, whole clusters on one side, addresses that do not move."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from chimed import staging
from chimed.build import select
from chimed.build.lanes import SAMPLED, TRAIN, VALIDATION, Lane, Lanes, load
from chimed.recipe import Mixture, Share
from chimed.source import Source


def lane(folder: Path, name: str, hashes: list[int], domain: str = "medical", lost: tuple[int, ...] = ()) -> Lane:
    rows = [
        dict.fromkeys(staging.STAGED.names)
        | {"hash": h, "rows": 1, "texts": [f"text {h}"], "roles": "t", "domain": domain, "text_sha1": f"{h:040x}",
           "reason": "bad_json" if i in lost else None}
        for i, h in enumerate(hashes)
    ]  # fmt: skip
    parts = []
    for number in range(0, len(rows), 100):
        path = folder / name / f"{number:06d}.arrow"
        staging.write_part(path, pa.RecordBatch.from_pylist(rows[number : number + 100], staging.STAGED))
        parts.append(path)
    source = Source(
        name=name, home="", license="MIT", redistributable="yes", serves=frozenset({"cpt"}), kind="passage",
        domain="medical", reader=None, parse=None, attribution="",  # type: ignore[arg-type]
    )  # fmt: skip
    return Lane(source, len(rows), parts)


def fates(lanes: Lanes, fate: int) -> int:
    return int((lanes.fate == fate).sum())


def test_identical_rows_get_a_counter_and_old_ids_survive_a_longer_download(tmp_path: Path) -> None:
    short = load([lane(tmp_path / "a", "s", [7, 9, 7])])
    longer = load([lane(tmp_path / "b", "s", [7, 9, 7, 9, 11])])
    assert [short.id(i) for i in range(3)] == ["s:0000000000000007", "s:0000000000000009", "s:0000000000000007-1"]
    assert [longer.id(i) for i in range(3)] == [short.id(i) for i in range(3)]


def test_rows_lost_in_parsing_stay_lost_with_their_reason(tmp_path: Path) -> None:
    lanes = load([lane(tmp_path, "s", [1, 2, 3], lost=(1,))])
    assert lanes.alive().tolist() == [0, 2]
    assert lanes.texts().__next__().column("text").to_pylist() == ["text 1", "text 3"]


@pytest.mark.parametrize(("word", "left"), [(Share(rows=30), 30), (Share(share=0.25), 50), (Share(times=3), 200)])
def test_the_mixture_takes_what_the_words_say(tmp_path: Path, word: Share, left: int) -> None:
    lanes = load([lane(tmp_path, "s", list(range(200)))])
    times = select.mix(lanes, Mixture(sources={"s": word}), 42)
    assert (fates(lanes, TRAIN), fates(lanes, SAMPLED)) == (left, 200 - left)
    assert times == ({"s": 3} if word.times else {})


def test_a_sample_grows_without_exchanging_rows(tmp_path: Path) -> None:
    kept = []
    for rows in (20, 60):
        lanes = load([lane(tmp_path / str(rows), "s", list(range(200)))])
        select.mix(lanes, Mixture(sources={"s": Share(rows=rows)}), 42)
        kept.append(set(lanes.alive().tolist()))
    assert kept[0] < kept[1]


def test_medical_to_general(tmp_path: Path) -> None:
    lanes = load([lane(tmp_path, "m", list(range(90))), lane(tmp_path, "g", list(range(100, 400)), domain="general")])
    select.mix(lanes, Mixture(medical_to_general="1:2"), 42)
    alive = lanes.alive()
    assert ((alive < 90).sum(), (alive >= 90).sum()) == (90, 180)


def test_whole_clusters_go_to_one_side(tmp_path: Path) -> None:
    lanes = load([lane(tmp_path, "s", list(range(1000, 3000)))])
    lanes.cluster = np.arange(2000) // 4 * 4
    select.validate_part(lanes, 0.1, 42)
    sides = lanes.fate.reshape(-1, 4)
    assert (sides == sides[:, :1]).all()
    assert 120 < fates(lanes, VALIDATION) < 280


def test_a_takedown_by_id_or_by_text_hash(tmp_path: Path) -> None:
    lanes = load([lane(tmp_path, "s", [1, 2, 3])])
    select.exclude(lanes, ["s:0000000000000002", f"{3:040x}", "s:unknown"])
    assert lanes.alive().tolist() == [0]
