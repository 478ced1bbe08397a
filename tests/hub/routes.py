"""The Hub's wire contract: what each call answers. Paths are matched raw, so `%2F` stays inside one segment."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

import yaml
from hub.repos import Commit, Entry, Refusal, Repo, User, World
from starlette.responses import JSONResponse, Response

REPO = r"/api/(?P<kind>models|datasets)/(?P<id>[^/]+/[^/]+)"
FILES = r"/(?P<kind>datasets/)?(?P<id>[^/]+/[^/]+?)"
PAGE, PAGE_EXPANDED = 1000, 50
EPOCH = "2026-01-01T00:00:00.000Z"


@dataclass
class Call:
    """One request: who asks, what the path said, query, headers and body."""

    world: World
    user: User | None
    base: str
    path: str
    groups: dict[str, str]
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body or b"{}")

    def repo(self, *, write: bool = False, content: bool = False) -> Repo:
        kind = (self.groups.get("kind") or "models").rstrip("/")
        return self.world.repo(kind, self.groups["id"], self.user, write=write, content=content)

    def revision(self) -> str:
        return unquote(self.groups.get("rev") or "main")


Handler = Callable[[Call], Response]
ROUTES: list[tuple[str, re.Pattern[str], Handler]] = []


def route(methods: str, pattern: str) -> Callable[[Handler], Handler]:
    def add(handler: Handler) -> Handler:
        ROUTES.extend((method, re.compile(pattern + r"\Z"), handler) for method in methods.split())
        return handler

    return add


@route("GET", "/api/whoami-v2")
def whoami(call: Call) -> Response:
    if call.user is None:
        raise Refusal(401, "Invalid username or password.")
    orgs = [{"name": name} for name in call.user.orgs]
    token = {"accessToken": {"displayName": "test", "role": call.user.role}}
    return JSONResponse({"type": "user", "name": call.user.name, "orgs": orgs, "auth": token})


@route("POST", "/api/repos/create")
def create(call: Call) -> Response:
    asked = call.json()
    if call.user is None:
        raise Refusal(401, "Invalid username or password.")
    id = f"{asked.get('organization') or call.user.name}/{asked['name']}"
    kind = f"{asked.get('type') or 'model'}s"
    url = f"{call.base}/{'' if kind == 'models' else kind + '/'}{id}"
    if not call.world.member(call.user, id) or call.user.role != "write":
        raise Refusal(403, f"You don't have the rights to create a {asked.get('type')} under this namespace")
    if (kind, id) in call.world.repos:
        return JSONResponse({"error": "You already created this repo", "url": url}, 409)
    repo = Repo(kind, id)
    repo.settings(asked.get("visibility") == "private" or bool(asked.get("private")), False)
    call.world.repos[kind, id] = repo
    return JSONResponse({"url": url, "name": id})


@route("DELETE", "/api/repos/delete")
def delete(call: Call) -> Response:
    asked = call.json()
    id = f"{asked.get('organization') or (call.user.name if call.user else '')}/{asked['name']}"
    kind = f"{asked.get('type') or 'model'}s"
    call.world.repo(kind, id, call.user, write=True)
    del call.world.repos[kind, id]
    return Response()


@route("PUT", REPO + "/settings")
def settings(call: Call) -> Response:
    repo, asked = call.repo(write=True), call.json()
    private = asked.get("private", repo.private)
    if "visibility" in asked:
        private = asked["visibility"] == "private"
    repo.settings(private, asked.get("gated", repo.gated))
    return JSONResponse({"private": repo.private, "gated": repo.gated})


@route("GET", REPO + "/auth-check(?P<write>/write)?")
def auth_check(call: Call) -> Response:
    call.repo(write=bool(call.groups["write"]), content=True)
    return Response()


@route("GET", REPO + "/refs")
def refs(call: Call) -> Response:
    repo = call.repo()
    named = {"branches": ("heads", repo.branches), "tags": ("tags", repo.tags), "converts": ("convert", {})}
    answer = {
        key: [{"name": n, "ref": f"refs/{part}/{n}", "targetCommit": oid} for n, oid in values.items()]
        for key, (part, values) in named.items()
    }
    if call.query.get("include_prs"):
        pulls = repo.pulls.items()
        answer["pullRequests"] = [{"name": str(n), "ref": f"refs/pr/{n}", "targetCommit": o} for n, o in pulls]
    return JSONResponse(answer)


@route("GET", REPO + "/commits/(?P<rev>[^/]+)")
def commits(call: Call) -> Response:
    history = call.repo().history(call.revision())
    return JSONResponse([{"id": c.oid, "title": c.title, "message": "", "date": EPOCH, "authors": []} for c in history])


def described(path: str, entry: Entry) -> dict[str, Any]:
    answer: dict[str, Any] = {"type": "file", "path": path, "oid": entry.oid, "size": entry.size}
    if entry.sha256:
        answer["lfs"] = {"oid": entry.sha256, "size": entry.size, "pointerSize": 130}
    return answer


def _listing(commit: Commit, folder: str, deep: bool) -> list[dict[str, Any]]:
    prefix = f"{folder}/" if folder else ""
    below = {path: entry for path, entry in commit.tree.items() if path.startswith(prefix)}
    if folder and not below:
        raise Refusal(404, f"{folder} does not exist", "EntryNotFound")
    found: dict[str, dict[str, Any]] = {}
    for path, entry in sorted(below.items()):
        parts = path.removeprefix(prefix).split("/")
        depth = len(parts) - 1 if deep else min(1, len(parts) - 1)
        for i in range(1, depth + 1):
            name = prefix + "/".join(parts[:i])
            found.setdefault(name, {"type": "directory", "path": name, "oid": "0" * 40, "size": 0})
        if deep or len(parts) == 1:
            found[path] = described(path, entry)
    return list(found.values())


@route("GET", REPO + "/tree/(?P<rev>[^/]+)(/(?P<path>.*))?")
def tree(call: Call) -> Response:
    commit = call.repo().at(call.revision())
    folder = unquote(call.groups.get("path") or "").strip("/")
    listed = _listing(commit, folder, call.query.get("recursive", "").lower() in {"true", "1"})
    size = PAGE_EXPANDED if call.query.get("expand", "").lower() in {"true", "1"} else PAGE
    start = int(call.query.get("cursor", "0"))
    answer = JSONResponse(listed[start : start + size])
    if start + size < len(listed):
        kept = "&".join(f"{k}={v}" for k, v in call.query.items() if k != "cursor")
        answer.headers["Link"] = f'<{call.base}{call.path}?{kept}&cursor={start + size}>; rel="next"'
    return answer


@route("POST", REPO + "/paths-info/(?P<rev>[^/]+)")
def paths_info(call: Call) -> Response:
    commit = call.repo().at(call.revision())
    is_json = "json" in call.headers.get("content-type", "")
    asked = call.json()["paths"] if is_json else parse_qs(call.body.decode()).get("paths", [])
    return JSONResponse([described(path, commit.tree[path]) for path in asked if path in commit.tree])


@route("POST DELETE", REPO + "/branch/(?P<name>[^/]+)")
def branch(call: Call) -> Response:
    return _branch(call, call.repo(write=True), unquote(call.groups["name"]))


def _branch(call: Call, repo: Repo, name: str) -> Response:
    if call.headers["x-method"] == "DELETE":
        repo.branches.pop(name)
        return Response()
    if name in repo.branches:
        raise Refusal(409, f"Reference refs/heads/{name} already exists")
    repo.branches[name] = repo.at(call.json().get("startingPoint") or "main").oid
    return Response(status_code=201)


@route("POST DELETE", REPO + "/tag/(?P<rev>[^/]+)")
def tag(call: Call) -> Response:
    repo = call.repo(write=True)
    if call.headers["x-method"] == "DELETE":
        repo.tags.pop(call.revision())
        return Response()
    name = call.json()["tag"]
    if name in repo.tags:
        raise Refusal(409, f"Tag reference exists already: {name}")
    repo.tags[name] = repo.at(call.revision()).oid
    return Response(status_code=201)


@route("POST", "/api/validate-yaml")
def validate_yaml(call: Call) -> Response:
    match = re.match(r"---\n(.*?)\n---", call.json()["content"], re.DOTALL)
    errors = []
    try:
        data = yaml.safe_load(match[1]) if match else {}
        if not isinstance(data.get("configs", []), list):
            errors.append({"message": "configs must be a list"})
        wrong = [key for key in ("tags", "language") if isinstance(data.get(key), dict)]
        errors += [{"message": f"{key} must be a list"} for key in wrong]
    except yaml.YAMLError as error:
        errors.append({"message": str(error)})
    return JSONResponse({"errors": errors, "warnings": []}, 400 if errors else 200)


@route("GET", REPO + "(/revision/(?P<rev>[^/]+))?")
def info(call: Call) -> Response:
    repo = call.repo()
    at = repo.at(call.revision())
    siblings = []
    for path, entry in sorted(at.tree.items()):
        named: dict[str, Any] = {"rfilename": path}
        if call.query.get("blobs"):
            named |= {"size": entry.size, "blobId": entry.oid}
            named |= {"lfs": {"sha256": entry.sha256, "size": entry.size, "pointerSize": 130}} if entry.sha256 else {}
        siblings.append(named)
    return JSONResponse({
        "id": repo.id, "sha": at.oid, "private": repo.private, "gated": repo.gated, "siblings": siblings,
        "lastModified": EPOCH, "createdAt": EPOCH, "tags": [], "downloads": 0, "likes": 0, "disabled": False,
    })  # fmt: skip
