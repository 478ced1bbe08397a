"""Where deduplication runs: on this machine (the default) or on a Ray cluster; the result is the same.

RAY_ADDRESS names a running cluster, which must see the output's folder under the same path; without it a local head is
started and stopped again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from chimed import dedup
from chimed.dedup.settings import Method
from chimed.engine.cluster import tasks
from chimed.engine.passages import pairs_on_ray
from chimed.engine.rows import exact_on_ray, near_on_ray

__all__ = ["Engine", "finder", "tasks"]

Engine = Literal["local", "ray"]
_ON_RAY: dict[Method, Callable[..., Any]] = {
    "near": near_on_ray, "exact": exact_on_ray, "substring": partial(dedup.substring, search=pairs_on_ray),
}  # fmt: skip
_HERE: dict[Method, Callable[..., Any]] = {"near": dedup.near, "exact": dedup.exact, "substring": dedup.substring}


def finder(engine: Engine, method: Method) -> Callable[..., Any]:
    """The function that finds duplicates by `method` on an engine, with the arguments of the local one."""
    return (_ON_RAY if engine == "ray" else _HERE)[method]
