"""`chimed dedup` on anyone's files: all columns, an explanation for every lost row, clear errors, steady bytes."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numba
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from duplicates import WORDS, are_duplicates, corpus, jaccard
from typer.testing import CliRunner

from chimed.cli import app
from chimed.dedup import NearSettings, SubstringSettings, substring
from chimed.dedup.files import Job, deduplicate
from chimed.errors import ChimedError, DataError, UsageError
from chimed.parquet import sha256_of

TEXTS = corpus(250, seed=21)


def as_lines(path: Path, texts: list[str], **more: list[object]) -> Path:
    rows = [{"text": text, **{name: values[i] for name, values in more.items()}} for i, text in enumerate(texts)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def run(*args: object) -> dict[str, object]:
    result = CliRunner().invoke(app, ["dedup", *map(str, args), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_contract_of_the_command(tmp_path: Path) -> None:
    source = as_lines(tmp_path / "in.jsonl", TEXTS, id=[f"r{i}" for i in range(250)], n=list(range(250)))
    out = tmp_path / "out.jsonl"
    facts = run(source, "--out", out)
    assert set(facts) >= {"read", "kept", "lost", "seconds", "method", "threshold"}
    assert (facts["read"], facts["method"], facts["threshold"]) == (250, "near", 0.8)
    assert facts["kept"] + sum(facts["lost"].values()) == 250
    kept = out.read_bytes().splitlines()
    assert [line for line in source.read_bytes().splitlines() if line in set(kept)] == kept
    lost = pq.read_table(f"{out}.lost.parquet").to_pylist()
    assert list(lost[0]) == ["id", "twin", "similarity", "reason"]
    assert {json.loads(line)["id"] for line in kept} | {row["id"] for row in lost} == {f"r{i}" for i in range(250)}
    assert any(row["twin"] == "r0" for row in lost)
    for row in lost:
        one, other = (TEXTS[int(row[name][1:])] for name in ("id", "twin"))
        assert are_duplicates(one, other, 0.8, "same")
        assert row["similarity"] == pytest.approx(jaccard(one, other), abs=1e-6)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl", "out.jsonl.lost.parquet"]


def test_formats_and_splits_of_the_input_give_the_same_rows(tmp_path: Path) -> None:
    lines = as_lines(tmp_path / "a.jsonl", TEXTS)
    first, second = as_lines(tmp_path / "b.jsonl", TEXTS[:99]), as_lines(tmp_path / "c.jsonl", TEXTS[99:])
    pq.write_table(
        pa.table({"text": pa.array(TEXTS).cast(pa.string_view())}), tmp_path / "d.parquet", row_group_size=40
    )
    losses = []
    for name, paths in (("1", [lines]), ("2", [first, second]), ("3", [tmp_path / "d.parquet"])):
        run(*paths, "--out", tmp_path / f"{name}.parquet")
        losses.append(
            (
                pq.read_table(tmp_path / f"{name}.parquet").to_pylist(),
                sha256_of(tmp_path / f"{name}.parquet.lost.parquet"),
            )
        )
    assert losses[0] == losses[1] == losses[2]
    assert pq.read_table(tmp_path / "1.parquet.lost.parquet")["id"][0].as_py().isdigit()


def test_conversations_are_compared_by_their_contents(tmp_path: Path) -> None:
    talk = [{"role": "user", "content": "头痛三天怎么办"}, {"role": "assistant", "content": "请多休息并监测血压"}]
    other = [{"role": "user", "content": "头痛三天怎么办"}, {"role": "assistant", "content": "请立即到医院就诊检查"}]
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps({"messages": m}) + "\n" for m in (talk, other, talk)), encoding="utf-8")
    facts = run(path, "--out", tmp_path / "out.parquet", "--column", "messages", "--method", "exact")
    assert (facts["kept"], facts["lost"]) == (2, {"exact_duplicate": 1})


def test_options_do_what_they_say(tmp_path: Path) -> None:
    leaflet = "成人口服硝苯地平缓释片，每次{}mg，一日两次，饭后服用，避免与西柚汁同服；出现头晕时及时就诊。" * 2
    source = as_lines(
        tmp_path / "in.jsonl", [leaflet.format(10, 10), leaflet.format(20, 10), leaflet.format(10, 10)[:-22]]
    )
    out = tmp_path / "out.jsonl"
    assert run(source, "--out", out)["saved_by_numbers"] == 1
    assert run(source, "--out", out, "--numbers", "ignore")["kept"] == 2
    assert run(source, "--out", out, "--threshold", "0.6")["kept"] == 2
    assert run(source, "--out", out, "--threshold", "0.6", "--numbers", "ignore", "--preset", "strict")["kept"] == 1
    assert run(source, "--out", out, "--method", "exact", "--numbers", "ignore")["kept"] == 3


def test_substring_cuts_texts_and_drops_what_is_left_of_too_little(tmp_path: Path) -> None:
    notice = "".join(random.Random(1).choices(WORDS, k=90)) + "。"
    source = as_lines(
        tmp_path / "in.jsonl",
        [f"甲。{notice}", f"乙。{notice}丙是一段足够长的话，所以这一行要留下来的。", notice + "丁。"],
    )
    facts = run(source, "--out", tmp_path / "out.jsonl", "--method", "substring")
    assert (facts["kept"], facts["lost"], facts["cut"], facts["cut_characters"]) == (
        2,
        {"repeated_substring": 1},
        1,
        91,
    )
    texts = [json.loads(line)["text"] for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert texts == [f"甲。{notice}", "乙。丙是一段足够长的话，所以这一行要留下来的。"]
    lost = pq.read_table(tmp_path / "out.jsonl.lost.parquet").to_pylist()
    assert lost == [{"id": "2", "twin": "0", "similarity": None, "reason": "repeated_substring"}]


@pytest.mark.parametrize("method", ["near", "exact", "substring"])
def test_odd_texts(tmp_path: Path, method: str) -> None:
    texts: list[str | None] = [
        None,
        "",
        "痛",
        "痛",
        None,
        "。",
        "a" * 5,
        "痛" * 3_000_000,
        "痛" * 3_000_000,
        "\u0000",
        "𠀀",
    ]
    source = as_lines(tmp_path / "in.jsonl", texts)  # type: ignore[arg-type]
    facts = run(source, "--out", tmp_path / "out.jsonl", "--method", method)
    expected = {"near": 2, "exact": 2, "substring": 0}[method]
    assert (facts["read"], sum(facts["lost"].values())) == (11, expected + (method == "substring"))


def test_an_empty_column_and_an_empty_file_lose_nothing(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": pa.nulls(5), "n": range(5)}), tmp_path / "a.parquet")
    (tmp_path / "b.jsonl").write_bytes(b"")
    for name, rows in (("a.parquet", 5), ("b.jsonl", 0)):
        for method in ("near", "exact", "substring"):
            facts = run(tmp_path / name, "--out", tmp_path / "out.jsonl", "--method", method)
            assert (facts["read"], facts["kept"], facts["lost"]) == (rows, rows, {})


def job(tmp_path: Path, out: str = "out.jsonl") -> Job:
    return Job([as_lines(tmp_path / "in.jsonl", TEXTS)], tmp_path / out)


def test_faults_are_said_and_leave_no_output(tmp_path: Path) -> None:
    (tmp_path / "torn.parquet").write_bytes(b"PAR1torn")
    good = job(tmp_path).paths[0]
    for wrong, error, words in (
        (Job([tmp_path / "none.jsonl"], tmp_path / "o.jsonl"), DataError, "no such file"),
        (Job([tmp_path], tmp_path / "o.jsonl"), DataError, "ending"),
        (Job([tmp_path / "torn.parquet"], tmp_path / "o.jsonl"), DataError, "torn.parquet"),
        (Job([good], tmp_path / "o.csv"), DataError, "ending"),
        (Job([good], good), UsageError, "read and written"),
        (Job([good], tmp_path / "o.jsonl", "content"), DataError, "no column 'content'. It has: text"),
    ):
        with pytest.raises(error, match=words):
            deduplicate(wrong, "near", NearSettings())
        assert not list(tmp_path.glob("*o.jsonl*"))


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may write everywhere: what is tested is tested as somebody else."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_closed_folder_is_said_and_nothing_is_written() -> None:
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    closed = folder / "closed"
    closed.mkdir(mode=0o555)
    source = as_lines(folder / "in.jsonl", TEXTS)
    with as_nobody():
        result = CliRunner().invoke(app, ["dedup", str(source), "--out", str(closed / "out.jsonl")])
    assert isinstance(result.exception, PermissionError)
    assert str(closed) in str(result.exception.filename)
    assert not list(closed.iterdir())
    shutil.rmtree(folder)


def test_a_full_disk_is_one_line_and_nothing_stands_under_the_name(tmp_path: Path) -> None:
    source = as_lines(tmp_path / "in.jsonl", TEXTS * 20, id=[str(i) for i in range(5000)])
    code = (
        "import resource, signal, chimed.dedup.files\n"
        "from chimed.cli import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "dedup", source, "--out", tmp_path / "o.jsonl"], capture_output=True, text=True
    )
    assert done.returncode == 6, done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["in.jsonl"]


def test_killed_at_any_moment_and_run_again_gives_the_same_bytes(tmp_path: Path) -> None:
    source = as_lines(tmp_path / "in.jsonl", TEXTS * 8, id=[str(i) for i in range(2000)])
    command = [sys.executable, "-c", "from chimed.cli import main; main()", "dedup", str(source), "--out"]
    subprocess.run([*command, str(tmp_path / "whole.jsonl")], check=True, capture_output=True)
    out = tmp_path / "killed.jsonl"
    for wait in (0.7, 1.1, 1.5):
        process = subprocess.Popen([*command, str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run([*command, str(out)], check=True, capture_output=True)
    for end in ("", ".lost.parquet"):
        assert sha256_of(Path(f"{out}{end}")) == sha256_of(tmp_path / f"whole.jsonl{end}")
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_a_closed_cache_folder_costs_time_not_the_run(tmp_path: Path) -> None:
    source = as_lines(tmp_path / "in.jsonl", ["头痛三天", "头痛三天。", "发热"])
    (tmp_path / "cache").write_text("a file where the cache folder should be", encoding="utf-8")
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "TMPDIR": str(tmp_path)}
    # What was compiled stands in the folder that is tried next, so that the test need not compile all again.
    fallback = shutil.copytree(numba.config.CACHE_DIR, tmp_path / f"chimed-kernels-{os.geteuid()}")
    fallback.chmod(0o700)
    environment.pop("NUMBA_CACHE_DIR", None)
    command = [sys.executable, "-c", "from chimed.cli import main; main()", "dedup", str(source), "--method", "exact"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "o.jsonl"), "--json"], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kept"] == 2


def test_substring_and_against_do_not_go_together(tmp_path: Path) -> None:
    class Release:
        path, split = tmp_path, "cpt"

        def shards(self, part: str = "train") -> list[Path]:
            return []

    with pytest.raises(ChimedError, match="--against"):
        deduplicate(job(tmp_path), "substring", NearSettings(), against=Release())
    assert list(substring(lambda: iter(()), SubstringSettings(), tmp_path / "work")) == []


@pytest.mark.parametrize(
    ("method", "option", "home"),
    [
        ("exact", ["--threshold", "0.8"], "near"), ("exact", ["--preset", "default"], "near"),
        ("substring", ["--threshold", "0.5"], "near"), ("substring", ["--preset", "strict"], "near"),
        ("substring", ["--numbers", "same"], "near or exact"),
    ],
)  # fmt: skip
def test_an_option_that_would_do_nothing_is_refused(tmp_path: Path, method: str, option: list[str], home: str) -> None:
    """Even where it says the default: who gives it believes that it counts."""
    source = as_lines(tmp_path / "in.jsonl", ["头痛三天", "发热两天"])
    words = ["dedup", str(source), "--out", str(tmp_path / "o.jsonl"), "--method", method]
    with pytest.raises(UsageError, match=f"{option[0]} does nothing with --method {method}.*--method {home}\\."):
        CliRunner().invoke(app, [*words, *option], catch_exceptions=False)
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]
    assert UsageError.exit_code == 2 and CliRunner().invoke(app, words).exit_code == 0


def test_exact_copies_go_by_the_numbers_that_were_asked_for(tmp_path: Path) -> None:
    source = as_lines(tmp_path / "in.jsonl", ["每日 1.5 片", "每日 15 片"])
    kept = {
        numbers: run(source, "--out", tmp_path / f"{numbers}.jsonl", "--method", "exact", "--numbers", numbers)["kept"]
        for numbers in ("same", "ignore")
    }
    assert kept == {"same": 2, "ignore": 1}
