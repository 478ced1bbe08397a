"""One file by HTTP, resumed by Range after a cut, never mixing two versions of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chimed.errors import AuthError, DataError, NetworkError

Progress = Callable[[float, float | None, str], None]

ATTEMPTS = 5
PAUSE = 0.2


def download(url: str, part: Path, name: str, progress: Progress | None = None) -> str | None:
    """Bring `url` into `part`; what an earlier run left there is continued if the server still has that version.

    Returns the ETag under which the server keeps it, if it has one.

    The version is the ETag or Last-Modified of the first answer, kept beside as `<part>.tag`. Raises NetworkError
    after five attempts without success, AuthError or DataError where the server refuses.
    """
    import httpx2

    tag = part.with_name(part.name + ".tag")
    for attempt in range(ATTEMPTS):
        try:
            with httpx2.Client(follow_redirects=True, timeout=30) as client:
                headers = _transfer(client, url, part, tag, name, progress)
                if headers is not None:
                    tag.unlink(missing_ok=True)
                    return headers.get("ETag")
        except httpx2.TransportError as error:
            if attempt + 1 == ATTEMPTS:
                raise NetworkError(f"{url}: {error or type(error).__name__}. Run it again: it goes on where it stopped."
                                   ) from None  # fmt: skip
        time.sleep(min(8.0, PAUSE * 2**attempt))
    raise NetworkError(f"{url}: the server keeps failing. Run it again later: it goes on where it stopped.")


def _transfer(client: Any, url: str, part: Path, tag: Path, name: str, progress: Progress | None) -> Any:
    """One request; the answer's headers when the file is whole, None when the server asks for another try."""
    have = part.stat().st_size if part.is_file() and tag.is_file() else 0
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": tag.read_text(encoding="utf-8")}
    with client.stream("GET", url, headers=headers) as answer:
        if answer.status_code == 416:
            # Nothing after what we have: either it is whole, or it is another file and starts anew.
            if answer.headers.get("Content-Range", "").endswith(f"/{have}"):
                return answer.headers
            part.unlink()
            return None
        if answer.status_code == 429 or answer.status_code >= 500:
            return None
        _refuse(url, answer.status_code)
        resumed = answer.status_code == 206
        if not resumed:
            _remember(tag, answer.headers)
        total = _total(answer, have if resumed else 0)
        with open(part, "ab" if resumed else "wb") as out:
            for block in answer.iter_bytes():
                out.write(block)
                if progress:
                    progress(out.tell(), total, f"{name}: {part.name.removesuffix('.part')}")
        return answer.headers


def _refuse(url: str, status: int) -> None:
    if status in (401, 403):
        raise AuthError(f"{url}: the server answered {status}: it wants a login. See how to obtain it: chimed sources.")
    if status >= 400:
        raise DataError(f"{url}: the server answered {status}: the file is not there any more.")


def _remember(tag: Path, headers: Any) -> None:
    """Note the version; where it cannot vouch for bytes (weak, packed on the way) a cut file starts anew."""
    version = headers.get("ETag") or headers.get("Last-Modified")
    if version and not version.startswith("W/") and "Content-Encoding" not in headers:
        tag.write_text(version, encoding="utf-8")
    else:
        tag.unlink(missing_ok=True)


def _total(answer: Any, before: int) -> float | None:
    length = answer.headers.get("Content-Length")
    return before + int(length) if length else None
