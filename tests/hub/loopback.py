"""A Hub on the loopback interface: started by a test, stopped by it; with a request log and faults on demand."""

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import hub.transfers  # noqa: F401  (its calls join the table of routes)
import uvicorn
from hub.repos import Refusal, Repo, Store, User, World
from hub.routes import ROUTES, Call
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

WRITE, READ = "hf_loopbackWriteToken00000000000000", "hf_loopbackReadToken000000000000000"
OTHER = "hf_loopbackOtherToken00000000000000"
USERS = {WRITE: User("writer", "write", ("org",)), READ: User("reader", "read"), OTHER: User("other", "write")}


@dataclass(frozen=True)
class Logged:
    """One request as the server saw it; `bytes` counts its body."""

    method: str
    path: str
    status: int
    bytes: int


@dataclass
class Fault:
    """Answer `status` (0: cut the connection) to the next `times` matching calls; `after`: only once it was done."""

    method: str
    path: str
    status: int
    times: int = 1
    after: bool = False
    headers: dict[str, str] = field(default_factory=dict)


class Hub:
    """The ASGI application and what tests ask it: log, faults, repositories."""

    def __init__(self, folder: Path) -> None:
        self.world = World(Store(folder), dict(USERS))
        self.log: list[Logged] = []
        self.faults: list[Fault] = []
        self.endpoint = ""

    def repo(self, id: str, kind: str = "datasets") -> Repo:
        return self.world.repos[kind, id]

    def use_xet(self) -> None:
        self.world.store.xet.mkdir()

    def fail(self, method: str, path: str, status: int, times: int = 1, **more: object) -> None:
        self.faults.append(Fault(method, path, status, times, **more))  # type: ignore[arg-type]

    def calls(self, method: str = "", path: str = "") -> list[Logged]:
        return [c for c in self.log if (not method or c.method == method) and re.search(path, c.path)]

    def _fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and fault.method == method and re.search(fault.path, path):
                fault.times -= 1
                return fault
        return None

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        path = scope["raw_path"].decode().split("?")[0]
        response, size = await self._answer(request, path)
        self.log.append(Logged(request.method, path, response.status_code, size))
        await response(scope, receive, send)

    async def _answer(self, request: Request, path: str) -> tuple[Response, int]:
        fault = self._fault(request.method, path)
        put = re.fullmatch(r"/lfs/([0-9a-f]{64})(?:/(\d+))?", path)
        if request.method == "PUT" and put and (fault is None or fault.after):
            return await self._put(request, put[1], put[2])
        body = await request.body()
        if fault is not None and not fault.after:
            return _failed(fault), len(body)
        response = self._handle(request, path, body)
        return (_failed(fault) if fault else response), len(body)

    async def _put(self, request: Request, oid: str, part: str | None) -> tuple[Response, int]:
        store, size = self.world.store, 0
        temporary = store.path(f"{oid}.{time.monotonic_ns()}")
        try:
            with open(temporary, "wb") as out:
                async for block in request.stream():
                    size += len(block)
                    out.write(block)
        except ClientDisconnect:
            temporary.unlink()
            return Response(status_code=499), size
        if part:
            temporary.replace(store.path(f"{oid}.{part}"))
        else:
            store.put(oid, temporary)
        return Response(headers={"ETag": f'"{oid}-{part}"'}), size

    def _handle(self, request: Request, path: str, body: bytes) -> Response:
        try:
            user = self._user(request.headers.get("authorization", ""))
            for method, pattern, handler in ROUTES:
                match = pattern.match(path) if method == request.method else None
                if match is not None:
                    headers = dict(request.headers) | {"x-method": request.method}
                    groups = {k: v for k, v in match.groupdict().items()}
                    query = dict(request.query_params)
                    call = Call(self.world, user, self.endpoint, path, groups, query, headers, body)
                    with self.world.lock:
                        return handler(call)
            raise Refusal(404, f"no such call: {request.method} {path}")
        except Refusal as refusal:
            headers = {"X-Error-Message": refusal.words} | ({"X-Error-Code": refusal.code} if refusal.code else {})
            return JSONResponse({"error": refusal.words}, refusal.status, headers=headers)

    def _user(self, header: str) -> User | None:
        token = header.removeprefix("Bearer ").strip()
        if not token:
            return None
        if token not in self.world.users:
            raise Refusal(401, "Invalid credentials in Authorization header")
        return self.world.users[token]


class _Cut(Response):
    """Closes the connection without an answer."""

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _failed(fault: Fault) -> Response:
    if fault.status == 0:
        return _Cut()
    return JSONResponse({"error": "injected"}, fault.status, headers=fault.headers)


@contextmanager
def serve(application: object) -> Iterator[str]:
    """Run an ASGI application on a free loopback port; yields its address, stops it at the end."""
    # With the protocol named, asyncio switches Nagle's algorithm off: 40 ms less per answer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(application, log_level="critical", lifespan="off", timeout_graceful_shutdown=1)  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


@contextmanager
def loopback_hub(folder: Path) -> Iterator[Hub]:
    """A running Hub whose objects lie in `folder`."""
    hub = Hub(folder)
    with serve(hub) as hub.endpoint:
        yield hub
