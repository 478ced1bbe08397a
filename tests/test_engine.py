"""The same rows stay and the same bytes are written wherever it runs."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from duplicates import batches, corpus
from test_dedup_files import as_lines

from chimed import dedup, engine
from chimed.engine.passages import pairs_on_ray
from chimed.parquet import sha256_of

ROOT = Path(__file__).resolve().parent.parent


def chimed(*args: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own: a runner of Daft is chosen once per process."""
    command = [sys.executable, "-c", "from chimed.cli import main; main()", "dedup", *map(str, args), "--json"]
    env = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env, timeout=300)


@pytest.mark.parametrize("method", ["near", "substring"])
def test_ray_gives_the_same_bytes_as_this_machine(tmp_path: Path, method: str) -> None:
    pytest.importorskip("ray")
    texts = corpus(400, seed=31)
    # passages of one row in another, twice in the same one, and at the end of the last
    texts += [texts[0] + "。" + "".join(texts[1:4]), "".join(texts[5:9]) + "\n" + "".join(texts[5:9])]
    source = as_lines(tmp_path / "in.jsonl", texts, id=[f"r{i}" for i in range(len(texts))])
    home = tmp_path / "home"
    home.mkdir()
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    written = {}
    for name in ("local", "ray"):
        out = tmp_path / f"{name}.parquet"
        done = chimed(source, "--out", out, "--method", method, "--engine", name, HOME=str(home), XDG_CACHE_HOME=cache)
        assert done.returncode == 0, done.stderr
        written[name] = [sha256_of(out), sha256_of(out.with_name(f"{out.name}.lost.parquet"))]
        assert json.loads(done.stdout)["lost"]
    assert written["local"] == written["ray"]
    assert not (home / ".ray").exists()


def test_a_cluster_that_does_not_answer_is_a_network_error(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    source = as_lines(tmp_path / "in.jsonl", ["头痛", "发热"])
    done = chimed(source, "--out", tmp_path / "o.jsonl", "--engine", "ray", RAY_ADDRESS="127.0.0.1:1")
    assert done.returncode == 5, done.stderr
    assert "RAY_ADDRESS=127.0.0.1:1" in done.stderr
    assert not (tmp_path / "o.jsonl").exists()


def test_engines_and_methods() -> None:
    assert engine.finder("local", "near") is dedup.near
    assert engine.finder("local", "exact") is dedup.exact
    assert engine.finder("local", "substring") is dedup.substring


@pytest.mark.parametrize("rows", [1, 7])
def test_passages_swept_file_by_file_are_those_of_one_sweep(
    tmp_path: Path, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steps of the tasks, without a cluster, on many small files and parts."""
    monkeypatch.setattr("chimed.engine.cluster._FILE_BYTES", 2000)
    monkeypatch.setattr("chimed.engine.passages._SWEEPS", 5)
    monkeypatch.setattr(import_module("chimed.dedup.substring"), "_PARTITION_CHARACTERS", 1000)
    monkeypatch.setattr("chimed.engine.passages.tasks", lambda: nullcontext(backwards))
    texts = corpus(120, seed=7)
    texts += ["".join(texts[3:9]), "".join(texts[20:22]) * 3]
    settings = dedup.SubstringSettings(20)
    here = list(dedup.substring(batches(texts), settings, tmp_path / "here", 2**16))
    there = list(dedup.substring(batches(texts, rows), settings, tmp_path / "there", 2**16, search=pairs_on_ray))
    assert here == there and len(here) > 3
    assert not (tmp_path / "there").exists()


def backwards(function: Callable[..., Any], calls: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
    """A runner whose tasks end in another order than they began."""
    for call in reversed(list(calls)):
        yield function(*call)
