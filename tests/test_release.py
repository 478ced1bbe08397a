"""An opened release says what is wrong with it in one line: damage, another format, parts that stay with the builder."""

import json
import shutil
from pathlib import Path

import pytest
from releases import make_release

from chimed.errors import DataError
from chimed.look import look
from chimed.release import Release, open_release
from chimed.trace import trace, upstream_of
from chimed.validation import validate


@pytest.fixture
def release(tmp_path: Path) -> Release:
    return make_release(tmp_path, "sft", files={"README.md": "# 说明\n"})


def flip(path: Path) -> None:
    """Damage that leaves no valid UTF-8 and no valid Parquet."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + b"\xff\xfe" + content[len(content) // 2 + 2 :])


def test_every_damaged_file_is_found_whatever_its_kind(release: Release) -> None:
    for path in sorted(p for p in release.path.rglob("*") if p.is_file() and p.name != "manifest.json"):
        whole = path.read_bytes()
        flip(path)
        assert validate(release), path
        path.write_bytes(whole)
    assert validate(release) == []


@pytest.mark.parametrize("damage", [b"", b"PAR1 and no more", "half"])
def test_a_damaged_shard_is_named_by_what_reads_it(release: Release, damage: bytes | str) -> None:
    shard = release.shards()[0]
    content = shard.read_bytes()
    shard.write_bytes(content[: len(content) // 2] if isinstance(damage, str) else damage)
    with pytest.raises(DataError, match=f"{shard.name}: damaged: .*rebuild"):
        look(release)


def test_a_shard_that_is_gone_is_named(release: Release) -> None:
    shard = release.shards()[0]
    shard.unlink()
    with pytest.raises(DataError, match=f"{shard.name}: No such file"):
        look(release)


def test_a_shard_that_may_not_be_read_is_not_called_damaged(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: object, **__: object) -> None:
        raise PermissionError(13, "Failed to open local file")

    monkeypatch.setattr("pyarrow.parquet.ParquetFile", closed)
    with pytest.raises(DataError, match=f"{release.shards()[0].name}: Permission denied"):
        look(release)


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "Invalid JSON"), ("{}", "name: Field required"), ("[]", "valid dictionary|object"), ("\xff", "damaged")],
)
def test_a_manifest_that_is_none_says_where(release: Release, text: str, said: str) -> None:
    (release.path / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=f"manifest.json: .*({said})"):
        open_release(release.path)


def test_a_manifest_of_another_format_is_refused(release: Release) -> None:
    manifest = json.loads(release.manifest.dumps()) | {"format": 2}
    (release.path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(DataError, match="format 2"):
        open_release(release.path)


def test_a_file_in_place_of_the_folder(release: Release) -> None:
    with pytest.raises(DataError, match="a file. Name the folder"):
        open_release(release.path / "manifest.json")


def test_a_published_copy_says_that_it_cannot_be_traced(release: Release) -> None:
    name = look(release)[0]["id"]
    for side in ("origin", "lost"):
        shutil.rmtree(release.path / side)
    with pytest.raises(DataError, match="no origin/ here: it stays with who built the release"):
        trace(release, name)


@pytest.mark.parametrize("note", ["{", "[]", "{}", '{"from": 3}', '{"from": "gone"}'])
def test_a_broken_note_of_the_upstream_folder_is_no_obstacle(release: Release, note: str) -> None:
    (release.path / "origin" / "local.json").write_text(note, encoding="utf-8")
    assert upstream_of(release) == Path("upstream")
