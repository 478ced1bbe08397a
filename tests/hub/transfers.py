"""The Hub's wire contract for content: what is uploaded how, commits, and downloads by range or from Xet."""

import json
import re
from typing import Any
from urllib.parse import unquote

from hub import xet
from hub.repos import MULTIPART_ABOVE, PART, Refusal, World, apply
from hub.routes import FILES, REPO, Call, route
from starlette.responses import JSONResponse, Response


@route("POST", REPO + "/preupload/(?P<rev>[^/]+)")
def preupload(call: Call) -> Response:
    repo = call.repo(write=call.query.get("create_pr") != "1")
    commit, answer = repo.at(call.revision()), []
    for file in call.json()["files"]:
        old = commit.tree.get(file["path"])
        mode = repo.upload_mode(commit.oid, file["path"], file["size"])
        oid = old.key if old else None
        answer.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
    return JSONResponse({"files": answer})


@route("POST", FILES + r"\.git/info/lfs/objects/batch")
def batch(call: Call) -> Response:
    # A pull request names no branch: readers may upload what they want to propose.
    call.repo(write="ref" in call.json())
    return JSONResponse({"objects": [_upload(call, o["oid"], o["size"]) for o in call.json()["objects"]]})


def _upload(call: Call, oid: str, size: int) -> dict[str, Any]:
    answer: dict[str, Any] = {"oid": oid, "size": size}
    if call.world.store.has(oid):
        return answer
    upload: dict[str, Any] = {"href": f"{call.base}/lfs/{oid}"}
    if size > MULTIPART_ABOVE:
        parts = range(1, (size + PART - 1) // PART + 1)
        upload["header"] = {"chunk_size": str(PART), **{str(n): f"{call.base}/lfs/{oid}/{n}" for n in parts}}
    return answer | {"actions": {"upload": upload, "verify": {"href": f"{call.base}/lfs/{oid}/verify"}}}


@route("POST", "/lfs/(?P<oid>[0-9a-f]{64})")
def complete(call: Call) -> Response:
    store, oid = call.world.store, call.groups["oid"]
    whole = store.path(oid + ".whole")
    with open(whole, "wb") as out:
        for part in call.json()["parts"]:
            piece = store.path(f"{oid}.{part['partNumber']}")
            out.write(piece.read_bytes())
            piece.unlink()
    store.put(oid, whole)
    return Response()


@route("POST", "/lfs/(?P<oid>[0-9a-f]{64})/verify")
def verify(call: Call) -> Response:
    if not call.world.store.has(call.groups["oid"]):
        raise Refusal(404, "not stored")
    return Response()


@route("GET", REPO + "/xet-(?P<right>write|read)-token/(?P<rev>[^/]+)")
def xet_token(call: Call) -> Response:
    folder = call.world.store.xet
    if not folder.is_dir():
        raise Refusal(404, "Xet is not here")
    call.repo(write=call.groups["right"] == "write" and call.query.get("create_pr") != "1")
    cas, token, expires = f"local://{folder}", "xet-token", 4102444800
    headers = {"X-Xet-Cas-Url": cas, "X-Xet-Access-Token": token, "X-Xet-Token-Expiration": str(expires)}
    return JSONResponse({"casUrl": cas, "accessToken": token, "exp": expires}, headers=headers)


def _take_from_xet(world: World, lines: list[dict[str, Any]]) -> None:
    for value in (line["value"] for line in lines if line["key"] == "lfsFile"):
        if world.store.has(value["oid"]) or not world.store.xet.is_dir():
            continue
        stored = xet.find(world.store.xet, value["oid"])
        if stored is not None:
            temporary = world.store.path(value["oid"] + ".xet")
            temporary.write_bytes(xet.rebuild(world.store.xet, stored))
            world.store.put(value["oid"], temporary)


@route("POST", REPO + "/commit/(?P<rev>[^/]+)")
def commit(call: Call) -> Response:
    create_pr = call.query.get("create_pr") == "1"
    repo = call.repo(write=not create_pr)
    lines = [json.loads(line) for line in call.body.splitlines() if line]
    _take_from_xet(call.world, lines)
    made = apply(repo, call.world.store, call.revision(), lines, create_pr)
    url = f"{call.base}/{repo.kind}/{repo.id}"
    pull = f"{url}/discussions/{made['pull']}" if made["pull"] else None
    return JSONResponse(
        {"commitUrl": f"{url}/commit/{made['commit']}", "commitOid": made["commit"], "pullRequestUrl": pull}
    )


@route("GET HEAD", FILES + "/resolve/(?P<rev>[^/]+)/(?P<path>.*)")
def resolve(call: Call) -> Response:
    repo = call.repo(content=True)
    at, path = repo.at(call.revision()), unquote(call.groups["path"])
    headers = {"X-Repo-Commit": at.oid}
    entry = at.tree.get(path)
    if entry is None:
        headers |= {"ETag": f'W/"{at.oid}"', "X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"}
        return JSONResponse({"error": "Entry not found"}, 404, headers=headers)
    headers |= {"ETag": f'"{entry.key}"', "Accept-Ranges": "bytes"}
    if not entry.sha256:
        return ranged(entry.data, call.headers.get("range", ""), headers)
    headers |= {"X-Linked-Etag": f'"{entry.key}"', "X-Linked-Size": str(entry.size)}
    stored = xet.find(call.world.store.xet, entry.sha256) if call.world.store.xet.is_dir() else None
    if stored is not None:
        read = f"{call.base}/api/{repo.kind}/{repo.id}/xet-read-token/{at.oid}"
        headers |= {"X-Xet-Hash": stored.hash, "Link": f'<{read}>; rel="xet-auth"'}
    # Another host name: the client must neither follow this on HEAD nor send its token there.
    elsewhere = call.base.replace("127.0.0.1", "localhost")
    return Response(status_code=302, headers=headers | {"Location": f"{elsewhere}/cdn/{entry.sha256}"})


@route("GET HEAD", "/cdn/(?P<oid>[0-9a-f]{64})")
def cdn(call: Call) -> Response:
    data = call.world.store.path(call.groups["oid"]).read_bytes()
    return ranged(data, call.headers.get("range", ""), {"ETag": f'"{call.groups["oid"]}"', "Accept-Ranges": "bytes"})


def ranged(data: bytes, asked: str, headers: dict[str, str]) -> Response:
    """The bytes, or the part that a Range header names."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", asked)
    if match is None:
        return Response(data, 200, headers)
    first = int(match[1]) if match[1] else max(0, len(data) - int(match[2]))
    last = min(int(match[2]), len(data) - 1) if match[1] and match[2] else len(data) - 1
    if first > last:
        return Response(b"", 416, headers | {"Content-Range": f"bytes */{len(data)}"})
    return Response(data[first : last + 1], 206, headers | {"Content-Range": f"bytes {first}-{last}/{len(data)}"})
