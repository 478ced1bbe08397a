"""The same rows stay and the same bytes are written wherever it runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from duplicates import corpus
from test_dedup_files import as_lines

from chimed import dedup, engine
from chimed.errors import UsageError
from chimed.parquet import sha256_of

ROOT = Path(__file__).resolve().parent.parent


def chimed(*args: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own: a runner of Daft is chosen once per process."""
    command = [sys.executable, "-c", "from chimed.cli import main; main()", "dedup", *map(str, args), "--json"]
    env = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env, timeout=300)


def test_ray_gives_the_same_bytes_as_this_machine(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    source = as_lines(tmp_path / "in.jsonl", corpus(400, seed=31), id=[f"r{i}" for i in range(400)])
    home = tmp_path / "home"
    home.mkdir()
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    written = {}
    for name in ("local", "ray"):
        out = tmp_path / f"{name}.parquet"
        done = chimed(source, "--out", out, "--engine", name, HOME=str(home), XDG_CACHE_HOME=cache)
        assert done.returncode == 0, done.stderr
        written[name] = [sha256_of(out), sha256_of(out.with_name(f"{out.name}.lost.parquet"))]
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
    with pytest.raises(UsageError, match="this machine only"):
        engine.finder("ray", "substring")
