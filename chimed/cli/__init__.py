"""The `chimed` command: each verb calls one function. Results go to stdout, progress and log to stderr."""

from __future__ import annotations

from chimed.cli import building, looking, publishing, text
from chimed.cli.console import app, main

__all__ = ["app", "building", "looking", "main", "publishing", "text"]
