"""How we call the Hub: with patience, with a look at our rights first, and with errors in our own words.

The client's own exceptions never leave this package: their texts know neither our exit codes nor what to do next.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from chimed.errors import AuthError, ChimedError, ConflictError, DataError, NetworkError, UsageError

T = TypeVar("T")

ATTEMPTS = 6
OFFICIAL = "https://huggingface.co"
_NOT_DONE = frozenset({409, 412, 429})  # refused for sure; anything from 500 on may have happened all the same


def endpoint() -> str:
    """Address of the Hub or mirror in use, without credentials."""
    from huggingface_hub import constants

    return re.sub(r"//[^/@]*@", "//", str(constants.ENDPOINT))


def _status(error: BaseException) -> int | None:
    response = getattr(error, "response", None)
    return getattr(response, "status_code", None)


def _root(error: BaseException) -> BaseException:
    """The client wraps what went wrong in an upload into a RuntimeError; the cause tells what it was."""
    return error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error


def _worth_another(error: BaseException, unknown: bool) -> bool:
    import httpx2

    cause = _root(error)
    status = _status(cause)
    if status is not None:
        return status in _NOT_DONE or (unknown and status >= 500)
    return unknown and isinstance(cause, httpx2.TransportError)


def pause(attempt: int) -> float:
    """Seconds before the next try: 0.2 · 2^attempt up to 30, with jitter."""
    return float(min(30.0, 0.2 * 2**attempt) * random.uniform(0.5, 1.0))  # noqa: S311


def patiently(call: Callable[[], T], *, retry_unknown: bool = True, attempts: int = ATTEMPTS) -> T:
    """Call until it works: after 409, 412, 429, and (unless told otherwise) after lost answers and 5xx."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    for attempt in range(attempts):
        try:
            return call()
        except (HfHubHTTPError, httpx2.TransportError, RuntimeError) as error:
            if attempt + 1 == attempts or not _worth_another(error, retry_unknown):
                raise
            time.sleep(pause(attempt))
    raise AssertionError("unreachable: the last attempt returns or raises")


def again(call: Callable[[], T]) -> T:
    """Repeat a call that may be repeated, after lost answers and 5xx; refusals are the caller's business."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    for attempt in range(3):
        try:
            return call()
        except (HfHubHTTPError, httpx2.TransportError) as error:
            status = _status(error)
            if status is not None and status != 429 and status < 500:
                raise
            time.sleep(pause(attempt))
    return call()


def _clean(text: str) -> str:
    """One line, without the token in use."""
    from huggingface_hub import get_token

    token = get_token()
    line = " ".join(text.split())
    return line.replace(token, "(token)") if token else line


def _mirror() -> str:
    here = endpoint()
    if here.rstrip("/") == OFFICIAL:
        return ""
    return f" HF_ENDPOINT is {here}: many mirrors can only be read; unset it to reach {OFFICIAL}."


def explained(error: BaseException, repo_id: str) -> ChimedError:
    """The error of the contract for what the client raised: what came, where, what to do."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    cause = _root(error)
    status, words = _status(cause), _clean(str(cause))
    if re.search(r"xet-(write|read)-token", words) and status in (None, 404):
        hint = "This Hub does not take Xet uploads: set HF_HUB_DISABLE_XET=1 and push again."
        return NetworkError(f"{repo_id}: {words[:200]}. {hint}{_mirror()}")
    if isinstance(cause, GatedRepoError):
        return AuthError(f"{repo_id}: gated. Ask for access on {endpoint()}/{repo_id}, then try again.")
    if status in (401, 403) or isinstance(cause, RepositoryNotFoundError):
        return AuthError(f"{repo_id}: not allowed or not there ({status}). Log in as one who may write: hf auth login, "
                         f"or set HF_TOKEN.{_mirror()}")  # fmt: skip
    if status in (409, 412):
        return ConflictError(f"{repo_id}: somebody else keeps changing it ({status}). Push again later.")
    if status == 400:
        return DataError(f"{repo_id}: the Hub refused the content: {words[:300]}")
    if status is not None:
        return NetworkError(f"{repo_id}: the Hub answered {status}. Push again: what is uploaded stays.{_mirror()}")
    return NetworkError(f"{repo_id}: no connection to {endpoint()}: {words[:200]}. "
                        f"Push again: what is uploaded stays.{_mirror()}")  # fmt: skip


@contextmanager
def told(repo_id: str) -> Iterator[None]:
    """Turn the client's exceptions into errors of the contract."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        yield
    except HFValidationError as error:
        raise UsageError(f"{repo_id}: not the name of a repository: {_clean(str(error))}") from None
    except (HfHubHTTPError, httpx2.TransportError, ConnectionError, RuntimeError) as error:
        raise explained(error, repo_id) from None


def preflight(repo_id: str, repo_type: str, *, write: bool = True, dry_run: bool = False) -> str:
    """Check, before anything is read or sent, that we may write (or only propose); returns the full OWNER/NAME.

    A dry run may go without a token; where there is one its rights are checked all the same. Raises NetworkError when
    the client is offline, AuthError without a token that can write, UsageError for a name that no repository can have.
    """
    from huggingface_hub import HfApi, get_token, is_offline_mode
    from huggingface_hub.errors import RepositoryNotFoundError
    from huggingface_hub.utils import validate_repo_id

    if is_offline_mode():
        raise NetworkError("HF_HUB_OFFLINE is set, and a push needs the Hub. Unset it and push again.")
    api = HfApi()
    with told(repo_id):
        validate_repo_id(repo_id)
        if not get_token():
            return _stranger(repo_id, dry_run)
        me = again(api.whoami)
        _may_write(me, repo_id)
        name = repo_id if "/" in repo_id else f"{me['name']}/{repo_id}"
        try:
            again(lambda: api.auth_check(name, repo_type=repo_type, write=write))
        except RepositoryNotFoundError:
            pass
    return name


def _stranger(repo_id: str, dry_run: bool) -> str:
    """The name where we have no token: enough to look, not to publish."""
    if not dry_run:
        raise AuthError(f"{repo_id}: no token. Run hf auth login, or set HF_TOKEN.")
    if "/" not in repo_id:
        raise UsageError(f"{repo_id}: without a token its owner is not known. Give ORG/NAME.")
    return repo_id


def _may_write(me: dict[str, Any], repo_id: str) -> None:
    role = me.get("auth", {}).get("accessToken", {}).get("role")
    if role == "read":
        source = "HF_TOKEN" if os.environ.get("HF_TOKEN") else "the stored token"
        raise AuthError(f"{repo_id}: {source} can only read. Make one that can write at {endpoint()}/settings/tokens.")
