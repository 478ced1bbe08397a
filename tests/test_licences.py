"""Licences: refused sources, their recipes, proof that a rebuild has the same rows."""

import json
import shutil
import tomllib
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from releases import make_release, some_row, some_rows

from chimed.errors import DataError
from chimed.licences import notices, refused, toml, verify_against, write_recipe
from chimed.recipe import Recipe, load
from chimed.release import Release

names = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=8)
text = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)
scalar = st.integers(-(2**53), 2**53) | st.booleans() | text | st.floats(allow_nan=False, allow_infinity=False)
value = st.recursive(scalar, lambda v: st.lists(v, max_size=3) | st.dictionaries(text, v, max_size=3), max_leaves=8)


def rebuilt(folder: Path, rows: list[dict] | None = None) -> Release:
    return make_release(folder, "sft", rows=rows)


def without(release: Release, source: str) -> Release:
    """The release as others get it: the source's rows are gone, its recipe is there."""
    write_recipe(release, source, release.path / "recipes")
    shutil.rmtree(release.path / "data" / source)
    kept = [entry for entry in release.manifest.sources if entry.source != source]
    files = [file for file in release.manifest.files if not file.path.startswith(f"data/{source}/")]
    return Release(release.path, release.manifest.model_copy(update={"sources": kept, "files": files}))


def test_only_what_upstream_forbids_is_refused(tmp_path: Path) -> None:
    manifest = make_release(tmp_path, "cpt").manifest
    gone = refused(manifest)
    assert [(r.source, r.records, r.license) for r in gone] == [("cpubmed_kg", 6, "CC-BY-ND-4.0")]
    data = sum(file.bytes for file in manifest.files if file.path.startswith("data/cpubmed_kg/"))
    assert gone[0].bytes == data > 0
    assert refused(manifest, include_restricted=True) == []


def test_every_notice_is_in_the_licence_file(tmp_path: Path) -> None:
    manifest = make_release(tmp_path, "dpo").manifest
    said = notices(manifest)
    for entry in manifest.sources:
        assert entry.license in said and entry.attribution in said and f"- {entry.source}: {entry.notice}" in said


def test_a_rebuild_is_proved_against_rows_and_recipes(tmp_path: Path) -> None:
    published = without(rebuilt(tmp_path / "a"), "meddialog_cn")
    found = verify_against(rebuilt(tmp_path / "b"), published)
    assert all(c.equal for c in found) and {(c.source, c.same) for c in found} == {
        ("chinese_medical_dialogue", 6), ("school_math", 6), ("meddialog_cn", 6),
    }  # fmt: skip


@pytest.mark.parametrize("source", ["meddialog_cn", "school_math"])
def test_every_difference_is_found(tmp_path: Path, source: str) -> None:
    rows = [row for row in some_rows("sft") if row["id"] != f"{source}:{1:016x}"]
    changed = next(row for row in rows if row["id"] == f"{source}:{2:016x}")
    changed["messages"][1]["content"] += "剂量 5 mg"
    rows.append(some_row("sft", source, 99))
    found = verify_against(rebuilt(tmp_path / "b", rows), without(rebuilt(tmp_path / "a"), "meddialog_cn"))
    by = {compared.source: compared for compared in found}
    assert (by[source].same, by[source].missing, by[source].extra, by[source].changed) == (4, 1, 1, 1)
    assert [name for name, compared in by.items() if not compared.equal] == [source]


def test_an_absent_source_is_missing_not_equal(tmp_path: Path) -> None:
    less = make_release(tmp_path / "b", "sft", sources=("school_math",))
    found = {c.source: c for c in verify_against(less, rebuilt(tmp_path / "a"))}
    assert found["meddialog_cn"].missing == 6 and not found["meddialog_cn"].equal and found["school_math"].equal


def test_a_recipe_names_its_file_and_other_splits_do_not_compare(tmp_path: Path) -> None:
    published = without(rebuilt(tmp_path / "a"), "meddialog_cn")
    rows = published.path / "recipes/meddialog_cn.parquet"
    rows.write_bytes(rows.read_bytes() + b"x")
    with pytest.raises(DataError, match="Download the release again"):
        verify_against(rebuilt(tmp_path / "b"), published)
    with pytest.raises(DataError, match="cpt"):
        verify_against(make_release(tmp_path / "c", "cpt"), published)


def test_a_recipe_holds_commands_and_no_text(tmp_path: Path) -> None:
    release = rebuilt(tmp_path)
    recipe = load().model_dump(mode="json")
    settings = {"recipe": recipe, "only": ["meddialog_cn", "school_math"], "limit": 100}
    manifest = release.manifest.model_copy(update={"settings": settings, "excluded": ["school_math:0"]})
    files = write_recipe(Release(release.path, manifest), "meddialog_cn", tmp_path / "recipes")
    assert {path.name for path in files} == {
        "meddialog_cn.json", "meddialog_cn.parquet", "recipe.toml", "excluded.txt",
    }  # fmt: skip
    facts = json.loads((tmp_path / "recipes/meddialog_cn.json").read_text(encoding="utf-8"))
    last = facts["commands"][-1]
    for words in ("--split sft", "--only meddialog_cn,school_math", "--limit 100", "recipes/recipe.toml",
                  "recipes/excluded.txt", "--verify-against"):  # fmt: skip
        assert words in last
    assert facts["files"][0]["sha256"] and facts["read"] == 6
    table = pq.read_table(tmp_path / "recipes/meddialog_cn.parquet")
    assert table.schema.names == ["id", "sha256"] and table.num_rows == 6
    assert load(tmp_path / "recipes/recipe.toml") == Recipe.model_validate(recipe)


@given(st.dictionaries(names, value, max_size=4))
def test_toml_comes_back_as_it_went(table: dict) -> None:
    assert tomllib.loads(toml(table)) == table


def test_toml_leaves_out_what_is_not_said() -> None:
    assert tomllib.loads(toml({"a": None, "b": {"c": None, "d": 1}})) == {"b": {"d": 1}}
