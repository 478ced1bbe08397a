"""A repository of the Hub on this machine: in the client's cache, from the net or from an earlier time."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from chimed.errors import AuthError, ChimedError, DataError, NetworkError, UsageError


def snapshot(named: str, kind: Literal["model", "dataset"], patterns: list[str] | None = None) -> Path:
    """The folder of `ORG/NAME@REVISION`; its own name is the commit. What is in the cache is taken from it offline.

    Raises NetworkError, AuthError, DataError (no such revision) or UsageError, never what the client raises.
    """
    import httpx2
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    from huggingface_hub.utils import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    repo, _, revision = named.rpartition("@")
    try:
        return Path(snapshot_download(repo, repo_type=kind, revision=revision, allow_patterns=patterns))
    except HFValidationError as error:
        raise UsageError(f"{named}: not the name of a repository: {' '.join(str(error).split())}") from None
    except LocalEntryNotFoundError as error:
        raise _explained(named, kind, error.__cause__ or error) from None
    except (HfHubHTTPError, httpx2.TransportError) as error:
        raise _explained(named, kind, error) from None


def _explained(named: str, kind: str, error: BaseException) -> ChimedError:
    from huggingface_hub import is_offline_mode
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    from chimed.hub.client import endpoint

    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, GatedRepoError):
        return AuthError(f"{named}: gated. Ask for access on {endpoint()}, then try again.")
    if isinstance(error, RevisionNotFoundError):
        return DataError(f"{named}: there is no such revision of that {kind}. Name a branch, a tag or a commit.")
    if isinstance(error, RepositoryNotFoundError) or status in {401, 403}:
        return AuthError(f"{named}: no such {kind}, or not for you to read. Log in (hf auth login), or mend the name.")
    if status is not None:
        return NetworkError(f"{named}: the Hub answered {status}. Try again later, or give a local folder.")
    why = "HF_HUB_OFFLINE is set" if is_offline_mode() else f"{endpoint()} cannot be reached"
    return NetworkError(
        f"{named}: not on this machine, and {why}. Connect once to download it, or give a local folder."
    )
