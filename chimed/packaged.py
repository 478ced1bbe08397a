"""Folders that travel with the package: inside it in a wheel, beside it in a checkout."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The folder `cards`, `schemas`, `sample` or `recipes` of this installation."""
    for place in (_HERE / name, _HERE.parent / name):
        if place.is_dir():
            return place
    raise FileNotFoundError(f"{name}: not in this installation; install the package again")
