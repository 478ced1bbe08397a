"""Fetching upstream files: whole or not at all, resumed after cuts, pinned, and only into the folder named."""

import hashlib
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hub.fileserver import FileServer
from hub.loopback import Hub, serve
from huggingface_hub import HfApi

from chimed.errors import AuthError, DataError, NetworkError, UsageError
from chimed.fetch import Fetched, fetch, parse
from chimed.source import Source, discover

DATA = random.Random(3).randbytes(3_000_000)
SHA = hashlib.sha256(DATA).hexdigest()


def source(*addresses: str, name: str = "mine", obtain: str = "") -> Source:
    return Source(
        name=name, home="https://example.org", license="MIT", redistributable="yes", serves=frozenset({"sft"}),
        kind="question", domain="medical", reader=None, parse=None, attribution="us", addresses=addresses,
        obtain=obtain,
    )  # type: ignore[arg-type]  # fmt: skip


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[FileServer, str]]:
    monkeypatch.setattr("chimed.download.PAUSE", 0.01)
    server = FileServer({"/a/数据.json": DATA})
    with serve(server) as address:
        yield server, f"{address}/a/%E6%95%B0%E6%8D%AE.json"


def one(entry: Source, to: Path) -> Fetched:
    return fetch([entry], to)[0]


def test_a_file_comes_with_its_checksum(files: tuple[FileServer, str], tmp_path: Path) -> None:
    server, url = files
    assert one(source(url), tmp_path).fetched == ["数据.json"]
    assert (tmp_path / "mine/数据.json").read_bytes() == DATA
    record = json.loads((tmp_path / "mine/FETCHED.json").read_text(encoding="utf-8"))["files"]
    tag = f'"{hashlib.md5(DATA).hexdigest()}"'
    assert record == {"数据.json": {"address": url, "bytes": len(DATA), "sha256": SHA, "etag": tag}}
    assert one(source(url), tmp_path).present == ["数据.json"] and len(server.asked) == 1
    assert sorted(p.name for p in (tmp_path / "mine").iterdir()) == ["FETCHED.json", "数据.json"]


def test_cut_transfers_go_on_where_they_stopped(files: tuple[FileServer, str], tmp_path: Path) -> None:
    server, url = files
    server.cuts = [1_200_000, 900_000]
    one(source(url), tmp_path)
    assert (tmp_path / "mine/数据.json").read_bytes() == DATA
    assert len(server.asked) == 3 and server.asked[1:] == ["bytes=1200000-", "bytes=2100000-"]
    assert server.sent == len(DATA)


def test_a_later_run_goes_on(files: tuple[FileServer, str], tmp_path: Path) -> None:
    server, url = files
    server.cuts = [500_000, 1, 1, 1, 1]
    with pytest.raises(NetworkError, match="goes on where it stopped"):
        one(source(url), tmp_path)
    assert not (tmp_path / "mine/数据.json").exists()
    one(source(url), tmp_path)
    assert (tmp_path / "mine/数据.json").read_bytes() == DATA and server.sent == len(DATA)


@pytest.mark.parametrize("kind", ["changed", "no ranges", "no tags"])
def test_two_versions_are_never_mixed(files: tuple[FileServer, str], tmp_path: Path, kind: str) -> None:
    server, url = files
    server.cuts, server.ranges, server.tagged = [1_000_000], kind != "no ranges", kind != "no tags"
    expected = DATA
    if kind == "changed":
        server.cuts = [1_000_000, 0, 0, 0, 0]
        with pytest.raises(NetworkError):
            one(source(url), tmp_path)
        expected = server.files["/a/数据.json"] = DATA[::-1]
    one(source(url), tmp_path)
    assert (tmp_path / "mine/数据.json").read_bytes() == expected


def test_a_wrong_checksum_keeps_nothing(files: tuple[FileServer, str], tmp_path: Path) -> None:
    server, url = files
    server.files["/a/数据.json"] = DATA[:-1] + b"x"
    with pytest.raises(DataError, match="expected " + SHA):
        one(source(f"{url}#sha256={SHA}"), tmp_path)
    assert list((tmp_path / "mine").iterdir()) == []


def test_a_users_own_file_is_not_overwritten(files: tuple[FileServer, str], tmp_path: Path) -> None:
    server, url = files
    (tmp_path / "mine").mkdir()
    own = tmp_path / "mine/数据.json"
    own.write_bytes(b"mine")
    assert one(source(url), tmp_path).present == ["数据.json"]
    with pytest.raises(DataError, match="Move it away"):
        one(source(f"{url}#sha256={SHA}"), tmp_path)
    assert own.read_bytes() == b"mine" and not server.asked


def test_a_damaged_file_and_a_new_address_are_fetched_again(files: tuple[FileServer, str], tmp_path: Path) -> None:
    server, url = files
    one(source(url), tmp_path)
    (tmp_path / "mine/数据.json").write_bytes(b"cut")
    assert one(source(url), tmp_path).fetched == ["数据.json"]
    server.files["/v2.json"] = b"second"
    later = url.rsplit("/a/", 1)[0] + "/v2.json#path=数据.json"
    assert one(source(later), tmp_path).fetched == ["数据.json"]
    assert (tmp_path / "mine/数据.json").read_bytes() == b"second"


@pytest.mark.parametrize(("status", "error"), [(401, AuthError), (403, AuthError), (404, DataError), (410, DataError)])
def test_refusals(files: tuple[FileServer, str], tmp_path: Path, status: int, error: type[Exception]) -> None:
    server, url = files
    server.statuses = [status]
    with pytest.raises(error, match=str(status)):
        one(source(url), tmp_path)
    server.statuses = [503, 429, 500]
    assert one(source(url), tmp_path).fetched == ["数据.json"]


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org/x#path=../../etc/passwd", "https://example.org/x#path=/etc/passwd", "https://example.org/",
        "ftp://example.org/x", "http://example.org/x", "file:///etc/passwd", "hf://datasets/org/x", "hf://org/x@main/a/b",
    ],
)  # fmt: skip
def test_addresses_that_are_not_ours(address: str) -> None:
    with pytest.raises(UsageError):
        parse(address)


@pytest.mark.parametrize("name", [name for name, entry in sorted(discover().items()) if entry.addresses])
def test_fetched_files_lie_where_their_reader_looks(tmp_path: Path, name: str) -> None:
    entry = discover()[name]
    places = [parse(address).path for address in entry.addresses]
    for place in places:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text("x", encoding="utf-8")
    assert sorted(entry.reader.find(tmp_path)) == sorted(places)


def test_addresses_on_github_are_pinned_to_a_commit() -> None:
    ours = [address for entry in discover().values() for address in entry.addresses if "githubusercontent" in address]
    assert len(ours) >= 6
    for address in map(parse, ours):
        assert address.fixed and "/HEAD/" not in address.url, address
    assert parse("https://raw.githubusercontent.com/else/where/HEAD/a/b.json").url.endswith("/where/HEAD/a/b.json")


def test_what_is_not_pinned_is_named_with_what_came(
    files: tuple[FileServer, str], tmp_path: Path, chimed: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the file is there already: the state of tomorrow is no other than that of today."""
    _, url = files
    known = {"loose": source(url, name="loose"), "fixed": source(f"{url}#sha256={SHA}", name="fixed")}
    monkeypatch.setattr("chimed.source.discover", lambda: known, raising=False)
    for _ in range(2):
        out = chimed("fetch", "--to", tmp_path / "up").out
        assert "loose: not pinned to a revision, upstream may change: 数据.json" in out
        assert "fixed: not pinned" not in out
    record = json.loads((tmp_path / "up/loose/FETCHED.json").read_text(encoding="utf-8"))["files"]["数据.json"]
    assert record["etag"] and record["sha256"] == SHA


def test_every_source_can_be_had_somehow() -> None:
    assert [name for name, entry in discover().items() if not entry.addresses and not entry.obtain] == []


def test_nothing_leaves_the_folder_by_a_link(files: tuple[FileServer, str], tmp_path: Path) -> None:
    _, url = files
    (tmp_path / "else").mkdir()
    (tmp_path / "to").mkdir()
    (tmp_path / "to/mine").symlink_to(tmp_path / "else")
    with pytest.raises(DataError, match="link"):
        one(source(url), tmp_path / "to")
    assert list((tmp_path / "else").iterdir()) == []


def test_what_has_no_address_is_only_described(tmp_path: Path) -> None:
    told = one(source(obtain="Ask the authors."), tmp_path / "to")
    assert told.obtain == "Ask the authors." and not (tmp_path / "to").exists()


@pytest.fixture
def upstream(hub: Hub) -> tuple[Hub, str]:
    """A data set on the loopback Hub and the commit of its first state."""
    api = HfApi()
    api.create_repo("org/up", repo_type="dataset")
    for data in (b"old", b"new"):
        made = api.upload_file(path_or_fileobj=data, path_in_repo="data/f.json", repo_id="org/up", repo_type="dataset")
        first = made.oid if data == b"old" else first  # noqa: F821
    return hub, first


def test_the_hub_is_pinned_and_cached(
    upstream: tuple[Hub, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, first = upstream
    pinned = source(f"hf://datasets/org/up@{first}/data/f.json#path=train.json")
    one(pinned, tmp_path / "a")
    assert (tmp_path / "a/mine/train.json").read_bytes() == b"old"
    record = json.loads((tmp_path / "a/mine/FETCHED.json").read_text(encoding="utf-8"))["files"]["train.json"]
    assert record["revision"] == first and record["sha256"] == hashlib.sha256(b"old").hexdigest()
    assert one(pinned, tmp_path / "a").unpinned == []
    assert one(source("hf://datasets/org/up/data/f.json"), tmp_path / "b").unpinned == ["data/f.json"]
    loose = json.loads((tmp_path / "b/mine/FETCHED.json").read_text(encoding="utf-8"))["files"]["data/f.json"]
    assert len(loose["revision"]) == 40 and loose["revision"] != first
    assert (tmp_path / "b/mine/data/f.json").read_bytes() == b"new"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    hub.log.clear()
    one(pinned, tmp_path / "c")
    assert (tmp_path / "c/mine/train.json").read_bytes() == b"old" and not hub.log
    with pytest.raises(NetworkError, match="cache"):
        one(source("hf://datasets/org/up/data/other.json"), tmp_path / "d")


def test_the_hub_refuses(upstream: tuple[Hub, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub, _ = upstream
    with pytest.raises(DataError, match="no such file"):
        one(source("hf://datasets/org/up@main/none.json"), tmp_path)
    with pytest.raises(DataError, match="no such file"):
        one(source("hf://datasets/org/up@nowhere/data/f.json"), tmp_path)
    monkeypatch.delenv("HF_TOKEN")
    hub.repo("org/up").settings(False, "auto")
    with pytest.raises(AuthError, match="gated"):
        one(source("hf://datasets/org/up@main/data/f.json"), tmp_path)


def test_the_command(
    files: tuple[FileServer, str], tmp_path: Path, chimed: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, url = files
    known = {"mine": source(url), "asked": replace(source(name="asked"), obtain="Apply to the authors.")}
    monkeypatch.setattr("chimed.source.discover", lambda: known, raising=False)
    ran = chimed("fetch", "--to", tmp_path / "up")
    assert ran.code == 0 and "mine: 1 files fetched" in ran.out and "Apply to the authors." in ran.out
    assert json.loads(chimed("fetch", "mine", "--to", tmp_path / "up", "--json").out)[0]["present"] == ["数据.json"]
    assert chimed("fetch", "nobody", "--to", tmp_path / "up").code == 2
