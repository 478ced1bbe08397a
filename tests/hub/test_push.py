"""Publishing a release: what readers then load, what stays at home, and what a second push does."""

import hashlib
import json
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hub.loopback import Hub
from huggingface_hub import HfApi, snapshot_download
from releases import LOST_TEXT, changed, make_release, some_rows

from chimed.errors import DataError
from chimed.hub import publish_folder, push_to_hub
from chimed.release import Release, open_release

WITHHELD = {"cpubmed_kg", "meddialog_cn"}


def load(repo: str, config: str = "default", part: str = "train", **more: object) -> datasets.Dataset:
    return datasets.load_dataset(repo, config, split=part, **more)


def states(hub: Hub, repo: str = "org/X", revision: str = "main") -> int:
    """Commits after the one that made the repository."""
    return len(hub.repo(repo).history(revision)) - 1


@pytest.mark.parametrize("split", ["cpt", "sft", "dpo"])
@pytest.mark.parametrize("mode", ["hub", "xet_hub"])
def test_everyone_loads_what_was_pushed(request: pytest.FixtureRequest, tmp_path: Path, split: str, mode: str) -> None:
    hub = request.getfixturevalue(mode)
    result = push_to_hub(make_release(tmp_path, split, shard_bytes=600), "org/X")
    assert result.status == "published" and states(hub) == 1
    allowed = {row["id"]: row for row in some_rows(split) if row["source"] not in WITHHELD}
    assert {row["id"]: row for row in load("org/X")} == allowed
    assert sum(1 for _ in load("org/X", streaming=True)) == len(allowed)
    assert bool(hub.calls("PUT")) == (mode == "hub")


def test_configs_hold_what_they_promise(hub: Hub, tmp_path: Path) -> None:
    push_to_hub(make_release(tmp_path, "sft", validation=2), "org/X")
    names = {row["source"] for row in some_rows("sft")} - WITHHELD
    assert set(datasets.get_dataset_config_names("org/X")) == names | {
        "default", "all", "general", "medical", "permissive",
    }  # fmt: skip
    assert load("org/X", "all").num_rows == 8 and load("org/X", "all", "validation").num_rows == 4
    assert set(load("org/X", "general")["source"]) == {"school_math"}
    assert set(load("org/X", "permissive")["license"]) == {"MIT"}
    assert datasets.load_dataset("org/X")["train"].num_rows == 8


def test_preferences_come_in_three_shapes_of_the_same_ids(hub: Hub, tmp_path: Path) -> None:
    push_to_hub(make_release(tmp_path, "dpo"), "org/X")
    plain, factory, swift = (load("org/X", name) for name in ("default", "llamafactory", "swift"))
    assert plain["id"][:] == factory["id"][:] == swift["id"][:]
    for row, one, two in zip(plain, factory, swift, strict=True):
        turns = [text for pair in one["history"] for text in pair] + [one["instruction"]]
        assert turns == [message["content"] for message in row["prompt"]]
        assert one["chosen"] == row["chosen"][0]["content"] == two["messages"][-1]["content"]
        assert one["rejected"] == row["rejected"][0]["content"] == two["rejected_response"]
        assert two["messages"][:-1] == row["prompt"]


def published_text(hub: Hub) -> str:
    """Everything that stands in the files on the Hub, tables unpacked."""
    parts = []
    for name, entry in hub.repo("org/X").files().items():
        if name.endswith(".parquet"):
            parts.append(str(pq.read_table(hub.world.store.path(entry.sha256)).to_pylist()))
        else:
            parts.append(entry.data.decode())
    return "\n".join(parts)


def test_restricted_rows_and_local_files_never_leave(hub: Hub, tmp_path: Path) -> None:
    rows = some_rows("sft")
    mine = [row for row in rows if row["source"] == "meddialog_cn"]
    for row in mine:
        row["messages"][0]["content"] += "独门问诊"
    files = {"samples/part-00000.txt": "遮盖前的文本", "report.html": "独门问诊", "LICENSE.md": "旧"}
    release = make_release(tmp_path, "sft", rows=rows, files=files)
    ids = pa.table({"id": [row["id"] for row in rows], "note": ["独门问诊" if row in mine else "" for row in rows]})
    pq.write_table(ids, release.path / "origin/part-00001.parquet")
    result = push_to_hub(release, "org/X")
    assert [(refused.source, refused.records) for refused in result.refused] == [("meddialog_cn", 6)]
    tree = hub.repo("org/X").files()
    assert not [name for name in tree if name.startswith(("lost/", "origin/", "samples/", "data/meddialog_cn"))]
    text = published_text(hub)
    assert "布洛芬" in text
    assert not [words for words in ("独门问诊", "遮盖前的文本", LOST_TEXT) if words in text]


def test_the_published_manifest_lists_what_is_published(hub: Hub, tmp_path: Path) -> None:
    push_to_hub(make_release(tmp_path, "sft"), "org/X")
    tree = hub.repo("org/X").files()
    manifest = json.loads(tree["manifest.json"].data)
    assert {file["path"] for file in manifest["files"]} | {"manifest.json", "SHA256SUMS", ".gitattributes"} == set(tree)
    names = [entry["source"] for entry in manifest["sources"]]
    assert manifest["rows"] == 12 and names == ["chinese_medical_dialogue", "school_math"]
    recipe = json.loads(tree["recipes/meddialog_cn.json"].data)
    assert recipe["rows"]["count"] == 6 and any("--verify-against" in command for command in recipe["commands"])
    card = tree["README.md"].data.decode()
    assert "meddialog_cn" in card and "[More Information Needed]" not in card and "12" in card


def test_include_restricted_is_recorded(hub: Hub, tmp_path: Path) -> None:
    result = push_to_hub(make_release(tmp_path, "sft"), "org/X", include_restricted=True)
    assert result.refused == [] and load("org/X").num_rows == 18
    tree = hub.repo("org/X").files()
    published = json.loads(tree["manifest.json"].data)["settings"]["published"]
    assert published["restricted_included"] == ["meddialog_cn"]
    assert "publisher states that they hold the right" in tree["README.md"].data.decode()


def test_nothing_allowed_is_an_error(hub: Hub, tmp_path: Path) -> None:
    release = make_release(tmp_path, "cpt", sources=("cpubmed_kg",))
    with pytest.raises(DataError, match="--include-restricted"):
        push_to_hub(release, "org/X")
    assert not hub.world.repos


def test_a_shard_that_is_not_the_manifests_is_refused(hub: Hub, tmp_path: Path) -> None:
    release = make_release(tmp_path, "sft")
    shard = release.shards()[0]
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError, match="not the file"):
        push_to_hub(release, "org/X")


def test_a_document_that_was_edited_is_refused_too(hub: Hub, tmp_path: Path) -> None:
    """Else the published checksums would be those of another text."""
    release = make_release(tmp_path, "sft", files={"CITATION.cff": "cff-version: 1.2.0"})
    (release.path / "CITATION.cff").write_text("cff-version: 1.3.0", encoding="utf-8")
    with pytest.raises(DataError, match="CITATION.cff: not the file"):
        push_to_hub(release, "org/X")


def test_a_second_push_changes_nothing(hub: Hub, tmp_path: Path) -> None:
    release = make_release(tmp_path, "sft")
    first = push_to_hub(release, "org/X")
    hub.log.clear()
    second = push_to_hub(release, "org/X")
    assert second.status == "unchanged" and second.commit == first.commit and second.added == {}
    assert states(hub) == 1 and not hub.calls("PUT") and not hub.calls("POST", "/commit/")


def test_one_changed_shard_uploads_only_itself(hub: Hub, tmp_path: Path) -> None:
    push_to_hub(changed(tmp_path / "a"), "org/X")
    hub.log.clear()
    release = changed(tmp_path / "b", edit=True)
    result = push_to_hub(release, "org/X")
    shards = [name for name in result.added if name.startswith("data/")]
    assert len(shards) == 1
    assert sum(call.bytes for call in hub.calls("PUT", "/lfs/")) == (release.path / shards[0]).stat().st_size


def test_stale_shards_go_in_the_same_commit(hub: Hub, tmp_path: Path) -> None:
    push_to_hub(changed(tmp_path / "a"), "org/X")
    before = set(hub.repo("org/X").files())
    result = push_to_hub(changed(tmp_path / "b", drop=7), "org/X")
    after = set(hub.repo("org/X").files())
    assert result.deleted and set(result.deleted) == before - after and states(hub) == 2
    assert load("org/X").num_rows == 10


def test_a_row_that_was_taken_down_never_comes_back(hub: Hub, tmp_path: Path) -> None:
    """Wherever the next version was built, and in a dry run as well."""

    def without(place: str, *names: str) -> Release:
        release = make_release(tmp_path / place, "sft")
        path = release.path / "manifest.json"
        text = json.loads(path.read_text(encoding="utf-8")) | {"excluded": list(names)}
        path.write_text(json.dumps(text), encoding="utf-8")
        return open_release(release.path)

    first = push_to_hub(without("a", "school_math:01"), "org/X")
    for dry in (True, False):
        with pytest.raises(DataError, match="come back \\(1 of its takedowns, school_math:01 first"):
            push_to_hub(without(f"b{dry}", "school_math:02"), "org/X", dry_run=dry)
    assert hub.repo("org/X").branches["main"] == first.commit
    assert push_to_hub(without("c", "school_math:01", "school_math:02"), "org/X").status == "published"


def test_foreign_files_survive(hub: Hub, tmp_path: Path) -> None:
    push_to_hub(changed(tmp_path / "a"), "org/X")
    api = HfApi()
    for name in ("NOTES.md", "data/school_math/notes.txt"):
        api.upload_file(path_or_fileobj=b"mine", path_in_repo=name, repo_id="org/X", repo_type="dataset")
    result = push_to_hub(changed(tmp_path / "b", drop=7), "org/X")
    assert result.foreign == ["NOTES.md", "data/school_math/notes.txt"]
    assert {"NOTES.md", "data/school_math/notes.txt", ".gitattributes"} <= set(hub.repo("org/X").files())


def test_checksums_of_a_download(hub: Hub, tmp_path: Path) -> None:
    push_to_hub(changed(tmp_path / "a"), "org/X", tag="v1")
    got = Path(snapshot_download("org/X", repo_type="dataset", revision="v1", local_dir=tmp_path / "got"))
    lines = (got / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    for line in lines:
        digest, name = line.split("  ", 1)
        assert hashlib.sha256((got / name).read_bytes()).hexdigest() == digest
    assert len(lines) == len(hub.repo("org/X").files()) - 2
    again = open_release(got)
    assert again.manifest.rows == 24 and sum(batch.num_rows for batch in again.batches()) == 24


def test_croissant_iterates_the_published_rows(hub: Hub, tmp_path: Path) -> None:
    import mlcroissant

    push_to_hub(make_release(tmp_path, "sft"), "org/X")
    got = Path(snapshot_download("org/X", repo_type="dataset", local_dir=tmp_path / "got"))
    described = mlcroissant.Dataset(jsonld=got / "croissant.json")
    sets = [record_set.id for record_set in described.metadata.record_sets]
    rows = [row for name in sets for row in described.records(record_set=name)]
    assert len(rows) == 12 and not described.metadata.issues.errors


def test_a_card_with_a_wrong_count_does_not_load(hub: Hub, tmp_path: Path) -> None:
    push_to_hub(make_release(tmp_path, "sft"), "org/X")
    card = hub.repo("org/X").files()["README.md"].data.decode()
    block = yaml.safe_load(card.split("---\n")[1])
    counts = {info["config_name"]: info["splits"][0]["num_examples"] for info in block["dataset_info"]}
    assert counts["default"] == 12 and counts["school_math"] == 6
    wrong = card.replace("num_examples: 12", "num_examples: 13").encode()
    HfApi().upload_file(path_or_fileobj=wrong, path_in_repo="README.md", repo_id="org/X", repo_type="dataset")
    with pytest.raises(datasets.exceptions.NonMatchingSplitsSizesError):
        load("org/X")


def test_offline_after_one_load(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    push_to_hub(make_release(tmp_path, "sft"), "org/X")
    rows = load("org/X", "medical").num_rows
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    hub.log.clear()
    assert load("org/X", "medical").num_rows == rows and not hub.log


def test_models_take_the_same_road(hub: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n\n# 模型\n", encoding="utf-8")
    for name in ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "config.json"):
        (folder / name).write_bytes(name.encode() * 50)
    result = publish_folder(folder, "org/qilin", tag="v1")
    repo = hub.repo("org/qilin", "models")
    assert result.status == "published" and repo.private and repo.tags == {"v1": result.commit}
    (folder / "model-00002-of-00002.safetensors").unlink()
    assert publish_folder(folder, "org/qilin").deleted == ["model-00002-of-00002.safetensors"]
    assert publish_folder(folder, "org/qilin").status == "unchanged"
