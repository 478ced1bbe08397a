"""A model on this machine and its two ways to answer: letters scored, or text written."""

from __future__ import annotations

from collections.abc import Sequence

from qilin_stages.evals.generate import greedy
from qilin_stages.evals.loaded import LoadedModel
from qilin_stages.evals.loglik import letter_logprobs
from qilin_stages.evals.task import Answer, Request


class LocalModel(LoadedModel):
    """A loaded model that answers requests."""

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """Answers in the order of the requests."""
        scored = iter(letter_logprobs(self, [r for r in requests if r.letters]))
        written = iter(greedy(self, [r for r in requests if not r.letters]))
        return [next(scored if r.letters else written) for r in requests]
