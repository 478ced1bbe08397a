"""A server that speaks OpenAI's protocol, started by the test: shapes, retries, faults, cache, and the key's silence."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from chimed.errors import AuthError, NetworkError, UsageError
from qilin_stages.evals import openai
from qilin_stages.evals.models import open_model
from qilin_stages.evals.task import Request

SECRET = "sk-test-not-to-be-seen"
Reply = tuple[int, dict[str, str], bytes | None]


class Server(ThreadingHTTPServer):
    """Answers from a function; remembers what was asked."""

    daemon_threads = True
    respond: Callable[[str, dict[str, Any], int], Reply]
    seen: list[tuple[str, dict[str, Any], str]]


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server: Any = self.server
        server.seen.append((self.path, body, self.headers.get("Authorization", "")))
        status, headers, data = server.respond(self.path, body, len(server.seen))
        if data is None:
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Silent."""


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(("127.0.0.1", 0), Handler)
    made.seen, made.respond = [], good
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def good(path: str, body: dict[str, Any], count: int) -> Reply:
    logs = {"A": -1.5, " B": -0.5, "他": -3.0}
    if path.endswith("/chat/completions"):
        choice: dict[str, Any] = {"message": {"content": "答案：B"}}
        if body.get("logprobs"):
            choice["logprobs"] = {"content": [{"top_logprobs": [{"token": t, "logprob": v} for t, v in logs.items()]}]}
    else:
        choice = {"text": "答案：B", "logprobs": {"top_logprobs": [logs]}}
    return 200, {}, json.dumps({"choices": [choice]}).encode()


def model(server: Server, cache: Path, kind: str = "openai", **more: Any) -> openai.ServerModel:
    made = openai.connect(f"{kind}:tiny@http://127.0.0.1:{server.server_port}/v1", cache)
    made.pause, made.per_second, made.seconds = 0.001, 1000, 2
    for name, value in more.items():
        setattr(made, name, value)
    return made


def test_chat_request_shape_and_answer(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(openai.KEY, SECRET)
    request = Request("1", "头痛", (("system", "题"), ("user", "头痛")), max_new_tokens=7, stop=("\n问",))
    assert model(server, tmp_path).answer([request])[0].text == "答案：B"
    path, body, key = server.seen[0]
    assert path == "/v1/chat/completions" and key == f"Bearer {SECRET}"
    assert body == {
        "model": "tiny", "temperature": 0, "max_tokens": 7, "stop": ["\n问"],
        "messages": [{"role": "system", "content": "题"}, {"role": "user", "content": "头痛"}],
    }  # fmt: skip


def test_letters_are_asked_with_one_token_and_never_with_prompt_logprobs(server: Server, tmp_path: Path) -> None:
    request = Request("1", "头痛\n答案：", letters=tuple("ABCD"))
    for kind in ("openai", "vllm"):
        answer = model(server, tmp_path, kind).answer([request])[0]
        assert answer.logprobs == {"A": -1.5, "B": -0.5}
        body = server.seen[-1][1]
        assert body["max_tokens"] == 1 and "prompt_logprobs" not in body and "echo" not in body
    assert server.seen[0][1]["top_logprobs"] == 20 and server.seen[0][1]["logprobs"] is True
    assert server.seen[1][0] == "/v1/completions" and server.seen[1][1]["logprobs"] == 20
    assert server.seen[1][1]["prompt"] == "头痛\n答案："


def test_answers_are_kept_and_the_key_is_not(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(openai.KEY, SECRET)
    asked = [Request(str(i), f"头痛{i}") for i in range(5)]
    first = model(server, tmp_path).answer(asked)
    assert model(server, tmp_path).answer(asked) == first and len(server.seen) == 5
    stored = b"".join(f.read_bytes() for f in tmp_path.rglob("*") if f.is_file())
    assert stored and SECRET.encode() not in stored


@pytest.mark.parametrize(
    "fault",
    [(503, {}, b"busy"), (429, {"Retry-After": "0"}, b"{}"), (200, {}, b"<html>"), (200, {}, b"[]"), (0, {}, None)],
)
def test_a_passing_fault_is_retried(server: Server, tmp_path: Path, fault: Reply) -> None:
    server.respond = lambda path, body, count: fault if count < 3 else good(path, body, count)
    assert model(server, tmp_path).answer([Request("1", "头痛")])[0].text == "答案：B"
    assert len(server.seen) == 3


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ((500, {}, b""), "http_500"),
        ((400, {}, b"too long"), "http_400"),
        ((200, {}, b"junk"), "junk"),
        ((200, {}, b'{"choices": [{}]}'), "junk"),
        ((200, {}, b'{"choices": ["x"]}'), "junk"),
        ((302, {"Location": "http://127.0.0.1:9/x"}, b""), "http_302"),
    ],
)
def test_a_lasting_fault_is_an_item_without_answer(server: Server, tmp_path: Path, reply: Reply, reason: str) -> None:
    server.respond = lambda path, body, count: reply if "bad" in str(body) else good(path, body, count)
    answers = model(server, tmp_path, tries=2).answer([Request("1", "good"), Request("2", "bad")])
    assert (answers[0].text, answers[0].error) == ("答案：B", "")
    assert (answers[1].text, answers[1].error) == ("", reason)


def test_missing_logprobs_are_named(server: Server, tmp_path: Path) -> None:
    plain = json.dumps({"choices": [{"message": {"content": "B"}}]}).encode()
    server.respond = lambda *_: (200, {}, plain)
    answer = model(server, tmp_path).answer([Request("1", "x", letters=("A", "B"))])[0]
    assert answer.error == "no_logprobs" and not list(tmp_path.rglob("*.part"))


def test_a_slow_server_times_out(server: Server, tmp_path: Path) -> None:
    wait = threading.Event()

    def slow(path: str, body: dict[str, Any], count: int) -> Reply:
        wait.wait(3)
        return good(path, body, count)

    server.respond = slow
    answer = model(server, tmp_path, seconds=0.2, tries=2).answer([Request("1", "x")])[0]
    wait.set()
    assert answer.error == "timeout"


def test_a_refused_key_ends_the_run_without_showing_it(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(openai.KEY, SECRET)
    server.respond = lambda *_: (401, {}, SECRET.encode())
    with pytest.raises(AuthError) as error:
        model(server, tmp_path).answer([Request("1", "x")])
    assert SECRET not in str(error.value) and error.value.exit_code == 3


def test_nobody_there_is_a_network_error(server: Server, tmp_path: Path) -> None:
    made = model(server, tmp_path, tries=1)
    made.url = "http://127.0.0.1:9/v1"
    with pytest.raises(NetworkError, match="Is the server running"):
        made.answer([Request("1", "x")])


def test_requests_keep_to_the_rate(server: Server, tmp_path: Path) -> None:
    import time

    start = time.monotonic()
    model(server, tmp_path, per_second=20).answer([Request(str(i), str(i)) for i in range(6)])
    assert time.monotonic() - start >= 0.24


@pytest.mark.parametrize("spec", ["openai:tiny", "openai:@http://x", "openai:a@ftp://x", "openai:a@http://u:p@x/v1"])
def test_malformed_server_names(spec: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        open_model(spec, tmp_path)
    assert ":p@" not in str(error.value)
