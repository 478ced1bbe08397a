"""A file server on the loopback interface: ranges, versions, cut transfers, refusals."""

import hashlib
from dataclasses import dataclass, field
from urllib.parse import unquote

from hub.transfers import ranged
from starlette.requests import Request
from starlette.responses import Response


@dataclass
class FileServer:
    """`cuts`: after how many bytes the next transfers break off; `statuses`: what the next calls are refused with."""

    files: dict[str, bytes]
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    ranges: bool = True
    tagged: bool = True
    asked: list[str] = field(default_factory=list)
    sent: int = 0

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        request = Request(scope, receive)
        wanted = request.headers.get("range", "")
        self.asked.append(wanted)
        data = self.files.get(unquote(scope["path"]))
        status = self.statuses.pop(0) if self.statuses else 404 if data is None else 200
        if data is None or status != 200:
            return await Response(status_code=status)(scope, receive, send)
        tag = f'"{hashlib.md5(data).hexdigest()}"'
        same = request.headers.get("if-range") in (None, tag)
        headers = {"ETag": tag} if self.tagged else {}
        answer = ranged(data, wanted if self.ranges and same else "", headers)
        body = bytes(answer.body)
        if self.cuts:
            body = body[: self.cuts.pop(0)]
        self.sent += len(body)
        await send({"type": "http.response.start", "status": answer.status_code, "headers": answer.raw_headers})
        return await send({"type": "http.response.body", "body": body})
