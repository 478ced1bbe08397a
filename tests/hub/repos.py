"""State of the loopback Hub: users, repositories with commits, branches, tags and pull requests, stored objects."""

import base64
import fnmatch
import hashlib
import json
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

GITATTRIBUTES = "".join(
    f"{pattern} filter=lfs diff=lfs merge=lfs -text\n"
    for pattern in ("*.parquet", "*.safetensors", "*.bin", "*.zip", "*.gz", "*.arrow")
)
LFS_ABOVE = 10 * 2**20
MULTIPART_ABOVE, PART = 32 * 2**20, 8 * 2**20


class Refusal(Exception):
    """An error answer: status, the Hub's error code and words."""

    def __init__(self, status: int, words: str, code: str = "") -> None:
        super().__init__(words)
        self.status, self.words, self.code = status, words, code


@dataclass(frozen=True)
class User:
    name: str
    role: str
    orgs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """A file of a tree: git blob id, size, and its content or the sha256 under which the store has it."""

    oid: str
    size: int
    data: bytes = b""
    sha256: str = ""

    @property
    def key(self) -> str:
        return self.sha256 or self.oid


@dataclass(frozen=True)
class Commit:
    oid: str
    title: str
    tree: dict[str, Entry]
    parent: str = ""


def git_blob(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def regular(data: bytes) -> Entry:
    return Entry(git_blob(data), len(data), data)


def lfs(sha256: str, size: int) -> Entry:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"
    return Entry(git_blob(pointer.encode()), size, sha256=sha256)


@dataclass
class Repo:
    """One repository; every state it ever had stays reachable by commit id."""

    kind: str
    id: str
    private: bool = False
    gated: str | bool = False
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    pulls: dict[int, str] = field(default_factory=dict)
    seen: list[tuple[bool, str | bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        first = self.add("initial commit", {".gitattributes": regular(GITATTRIBUTES.encode())}, "")
        self.branches["main"] = first.oid

    def add(self, title: str, tree: dict[str, Entry], parent: str) -> Commit:
        listing = json.dumps([len(self.commits), parent, title, {p: e.key for p, e in sorted(tree.items())}])
        commit = Commit(hashlib.sha1((self.id + listing).encode()).hexdigest(), title, tree, parent)
        self.commits[commit.oid] = commit
        return commit

    def at(self, revision: str) -> Commit:
        number = revision.removeprefix("refs/pr/")
        pull = self.pulls.get(int(number)) if number.isdigit() and revision.startswith("refs/pr/") else None
        oid = self.branches.get(revision.removeprefix("refs/heads/")) or self.tags.get(revision) or pull or revision
        if oid not in self.commits:
            raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return self.commits[oid]

    def history(self, revision: str) -> list[Commit]:
        found, oid = [], self.at(revision).oid
        while oid:
            found.append(self.commits[oid])
            oid = self.commits[oid].parent
        return found

    def files(self, revision: str = "main") -> dict[str, Entry]:
        return self.at(revision).tree

    def upload_mode(self, revision: str, path: str, size: int) -> str:
        rules = self.at(revision).tree.get(".gitattributes", regular(b"")).data.decode().splitlines()
        name = path.rsplit("/", 1)[-1]
        marked = any(fnmatch.fnmatch(name, rule.split()[0]) for rule in rules if "filter=lfs" in rule)
        return "lfs" if marked or size > LFS_ABOVE else "regular"

    def settings(self, private: bool, gated: str | bool) -> None:
        self.private, self.gated = private, gated
        self.seen.append((private, gated))


class Store:
    """Objects by sha256, on disk; under Xet they are rebuilt from the folder that the stock client writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.xet = folder / "xet"
        (folder / "lfs").mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        return self.folder / "lfs" / sha256

    def has(self, sha256: str) -> bool:
        return self.path(sha256).is_file()

    def put(self, sha256: str, temporary: Path) -> None:
        with open(temporary, "rb") as f:
            if hashlib.file_digest(f, "sha256").hexdigest() != sha256:
                raise Refusal(400, "content does not match its oid")
        temporary.replace(self.path(sha256))


def apply(repo: Repo, store: Store, revision: str, lines: list[dict[str, Any]], create_pr: bool) -> dict[str, Any]:
    """Make one commit from the lines of a commit request; all or nothing."""
    header = lines[0]["value"]
    base = repo.at(revision)
    if header.get("parentCommit") not in (None, base.oid):
        raise Refusal(412, "A commit has happened since. Please refresh and try again.")
    tree = dict(base.tree)
    for line in lines[1:]:
        _one(tree, store, line["key"], line["value"])
    if create_pr:
        number = len(repo.pulls) + 1
        commit = repo.add(header["summary"], tree, base.oid)
        repo.pulls[number] = commit.oid
        return {"commit": commit.oid, "pull": number}
    commit = repo.add(header["summary"], tree, base.oid)
    repo.branches[revision] = commit.oid
    return {"commit": commit.oid, "pull": None}


def _one(tree: dict[str, Entry], store: Store, key: str, value: dict[str, Any]) -> None:
    path = value["path"]
    if key == "file":
        tree[path] = regular(base64.b64decode(value["content"]))
    elif key == "lfsFile":
        if not store.has(value["oid"]):
            raise Refusal(404, f"LFS object {value['oid']} of {path} was not uploaded", "EntryNotFound")
        tree[path] = lfs(value["oid"], value.get("size") or store.path(value["oid"]).stat().st_size)
    elif key == "deletedFile":
        if path not in tree:
            raise Refusal(404, "A file with this name doesn't exist", "EntryNotFound")
        del tree[path]
    elif key == "deletedFolder":
        for name in [n for n in tree if n.startswith(path.rstrip("/") + "/")]:
            del tree[name]


@dataclass
class World:
    """All that the server knows; `lock` guards every change."""

    store: Store
    users: dict[str, User]
    repos: dict[tuple[str, str], Repo] = field(default_factory=dict)
    granted: set[tuple[str, str]] = field(default_factory=set)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def member(self, user: User | None, id: str) -> bool:
        owner = id.split("/")[0]
        return user is not None and (owner == user.name or owner in user.orgs)

    def repo(self, kind: str, id: str, user: User | None, *, write: bool = False, content: bool = False) -> Repo:
        """The repository if this user may see (write, read the content of) it."""
        repo, member = self.repos.get((kind, id)), self.member(user, id)
        if repo is None or (repo.private and not member):
            raise Refusal(404 if user else 401, "Repository not found", "RepoNotFound" if user else "")
        if write and not (member and user is not None and user.role == "write"):
            raise Refusal(403 if user else 401, "Forbidden: you don't have the right to write to this repository")
        if content and repo.gated and not member and (user is None or (user.name, id) not in self.granted):
            raise Refusal(403 if user else 401, f"Access to {id} is restricted", "GatedRepo")
        return repo
