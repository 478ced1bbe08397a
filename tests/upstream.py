"""Where the real upstream files lie, for the tests that run on them."""

import os
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parent.parent
_PLACES = [Path(os.environ["CHIMED_UPSTREAM"])] if "CHIMED_UPSTREAM" in os.environ else []
_PLACES += [_ROOT.parent / "shared/upstream/dev", _ROOT.parent.parent / "shared/upstream/dev"]


def upstream() -> Path:
    """The folder of upstream files; skips the calling test where it is absent."""
    for place in _PLACES:
        if place.is_dir():
            return place
    pytest.skip("the upstream files (../shared/upstream/dev) are not here")
