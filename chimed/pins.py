"""Which state of an upstream repository an address without a revision stands for: a lock, so that all fetch the same.

Each commit was looked at and holds the files that the sources name. To move on, try the new files with `chimed check`,
then change the commit here.
"""

from __future__ import annotations

import re

COMMITS = {
    "Instruction-Tuning-with-GPT-4/GPT-4-LLM": "80cda626ea305004be42426671c66efebbf22144",
    "SupritYoung/Zhongjing": "a105934245c265b84f77dbb070b568e2a79688b4",
    "Toyhom/Chinese-medical-dialogue-data": "26724a4357fcd142f0cab81188cacf1a2dd8a827",
    "liuhuanyong/QASystemOnMedicalKG": "643eccb0dc53635cc14a9a9f3cdb39372a80af62",
    "williamliujl/CMExam": "fadb22c89beb1b7115dc36460ba792eb96b7b972",
    "zhihao-chen/QASystemOnMedicalGraph": "384370dbc055b6e919efa53218dca4dbc153863e",
}
"""Repository on GitHub -> commit."""

_GITHUB = re.compile(r"(https://raw\.githubusercontent\.com/([^/]+/[^/]+)/)HEAD/")
_FIXED = re.compile(
    r"https://raw\.githubusercontent\.com/[^/]+/[^/]+/[0-9a-f]{40}/|hf://datasets/[^/]+/[^/@]+@[0-9a-f]{40}/"
)


def pinned(url: str) -> str:
    """The address with HEAD of a repository that we know replaced by its commit; any other as it is."""
    match = _GITHUB.match(url)
    commit = COMMITS.get(match[2]) if match else None
    return f"{match[1]}{commit}/{url[match.end() :]}" if match and commit else url


def is_pinned(url: str) -> bool:
    """Whether the address names a commit, so that what it gives can never change."""
    return _FIXED.match(url) is not None
