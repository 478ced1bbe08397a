"""Any server that speaks OpenAI's protocol: `openai:NAME@URL` (chat) and `vllm:NAME@URL` (plain completions).

Requests are spaced, retried with growing pauses, and answers kept on disk by the hash of the request. The key comes
from OPENAI_API_KEY and goes into one header; it is never printed, stored or put into an error. Letters are asked with
one new token and its log-probabilities: `prompt_logprobs` would bypass a server's prefix cache.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chimed.errors import AuthError, NetworkError, UsageError
from qilin_stages.evals.generate import cut
from qilin_stages.evals.task import Answer, Request

KEY = "OPENAI_API_KEY"
TOP = 20
_RETRIED = {408, 409, 425, 429, 500, 502, 503, 504}


class Unanswered(Exception):
    """A request that got no usable answer; the text names why, `offline` that nobody was reached."""

    def __init__(self, reason: str, *, offline: bool = False) -> None:
        super().__init__(reason)
        self.offline = offline


@dataclass
class ServerModel:
    """A model behind a server. `seconds` is the timeout, `per_second` the highest rate of requests, `pause` the first
    wait before a retry, doubled each time."""

    name: str
    model: str
    url: str
    cache: Path
    chat: bool = True
    tries: int = 5
    seconds: float = 60.0
    pause: float = 1.0
    per_second: float = 8.0
    workers: int = 4
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _next: float = 0.0

    @property
    def identity(self) -> str:
        """Server, model and protocol; a server may change its weights behind it, so name versions in full."""
        return hashlib.sha256(f"{self.url} {self.model} {self.chat}".encode()).hexdigest()

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """Answers in order; an item that the server fails on carries `error`. NetworkError if nobody was reached."""
        with ThreadPoolExecutor(self.workers) as pool:
            outcomes = list(pool.map(self._one, requests))
        if outcomes and all(offline for _, offline in outcomes):
            raise NetworkError(f"{self.name}: {outcomes[0][0].error}. Is the server running at {self.url}?")
        return [answer for answer, _ in outcomes]

    def _one(self, request: Request) -> tuple[Answer, bool]:
        path, body = self._body(request)
        kept = self.cache / hashlib.sha256(json.dumps([self.url, path, body]).encode()).hexdigest()
        try:
            if kept.is_file():
                reply = json.loads(kept.read_text(encoding="utf-8"))
                return self._read(reply, request), False
            reply = self._post(path, body)
            answer = self._read(reply, request)
        except Unanswered as error:
            return Answer(request.id, error=str(error)), error.offline
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = kept.with_suffix(f".{threading.get_ident()}.part")
        part.write_text(json.dumps(reply, ensure_ascii=False, sort_keys=True), encoding="utf-8")
        part.replace(kept)
        return answer, False

    def _body(self, request: Request) -> tuple[str, dict[str, Any]]:
        body: dict[str, Any] = {"model": self.model, "temperature": 0, "max_tokens": request.max_new_tokens}
        if request.letters:
            body["max_tokens"] = 1
            body |= {"logprobs": True, "top_logprobs": TOP} if self.chat else {"logprobs": TOP}
        elif request.stop:
            body["stop"] = list(request.stop[:4])
        if not self.chat:
            return "/completions", body | {"prompt": request.prompt}
        turns = request.messages or (("user", request.prompt),)
        return "/chat/completions", body | {"messages": [{"role": r, "content": c} for r, c in turns]}

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        pause = self.pause
        for left in range(self.tries - 1, -1, -1):
            self._wait_turn()
            try:
                return self._send(path, body)
            except urllib.error.HTTPError as error:
                if error.code in {401, 403}:
                    raise AuthError(f"{self.url}: the server refused the key (HTTP {error.code}). Set {KEY}.") from None
                if error.code not in _RETRIED or not left:
                    raise Unanswered(f"http_{error.code}") from None
                pause = max(pause, _retry_after(error))
            except TimeoutError:
                if not left:
                    raise Unanswered("timeout") from None
            except (OSError, http.client.HTTPException) as error:
                if not left:
                    slow = isinstance(getattr(error, "reason", None), TimeoutError)
                    raise Unanswered("timeout" if slow else "no_connection", offline=not slow) from None
            except ValueError:
                if not left:
                    raise Unanswered("junk") from None
            time.sleep(pause)
            pause = min(60.0, pause * 2)
        raise Unanswered("timeout")

    def _send(self, path: str, body: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json", "User-Agent": "qilin-stage"}
        if key := os.environ.get(KEY):
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers, method="POST")
        with _opener(self.url).open(request, timeout=self.seconds) as response:
            reply = json.loads(response.read().decode("utf-8"))
        if not isinstance(reply, dict) or not isinstance(reply.get("choices"), list) or not reply["choices"]:
            raise ValueError("no choices")
        return reply

    def _wait_turn(self) -> None:
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + 1 / self.per_second
        time.sleep(turn - now)

    def _read(self, reply: dict[str, Any], request: Request) -> Answer:
        choice = reply["choices"][0]
        try:
            text = (choice["message"]["content"] if self.chat else choice["text"]) or ""
            logs = _first_token(choice, self.chat) if request.letters else {}
        except (KeyError, TypeError, IndexError, AttributeError, ValueError):
            raise Unanswered("no_logprobs" if request.letters else "junk") from None
        found = {x: max((v for t, v in logs.items() if t.strip() == x), default=None) for x in request.letters}
        known = {x: v for x, v in found.items() if v is not None}
        if request.letters and not known:
            raise Unanswered("no_letter_among_top_tokens")
        return Answer(request.id, cut(str(text), request.stop), known)


def connect(spec: str, cache: Path) -> ServerModel:
    """The server model that `openai:NAME@URL` or `vllm:NAME@URL` names."""
    kind, _, rest = spec.partition(":")
    name, _, url = rest.rpartition("@")
    parts = urllib.parse.urlsplit(url)
    if not name or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UsageError(f"{kind}:…: expected {kind}:NAME@URL, as in {kind}:my-model@http://localhost:8000/v1")
    if parts.username or parts.password:
        raise UsageError(f"{kind}:{name}@…: no password in an address. Put the key into {KEY}.")
    return ServerModel(spec, name, url.rstrip("/"), cache / "server", chat=kind == "openai")


def _first_token(choice: dict[str, Any], chat: bool) -> dict[str, float]:
    if chat:
        return {t["token"]: float(t["logprob"]) for t in choice["logprobs"]["content"][0]["top_logprobs"]}
    return {t: float(v) for t, v in choice["logprobs"]["top_logprobs"][0].items()}


def _retry_after(error: urllib.error.HTTPError) -> float:
    value = error.headers.get("Retry-After", "") if error.headers else ""
    return min(60.0, float(value)) if value.replace(".", "", 1).isdigit() else 0.0


def _opener(url: str) -> urllib.request.OpenerDirector:
    """Without proxy for this machine; no redirect is followed, so that the key goes nowhere else."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    local = urllib.parse.urlsplit(url).hostname in {"localhost", "127.0.0.1", "::1"}
    return urllib.request.build_opener(Stay, *([urllib.request.ProxyHandler({})] if local else []))
