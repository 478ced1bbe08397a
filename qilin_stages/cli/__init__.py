"""The `qilin-stage` command: each verb calls one function. Results go to stdout, progress and log to stderr."""

from __future__ import annotations

from qilin_stages.cli import measuring, training
from qilin_stages.cli.console import app, main

__all__ = ["app", "main", "measuring", "training"]
