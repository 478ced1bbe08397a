"""The rooms: a module imports only modules above it, the two packages meet at four doors, start-up is light."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHIMED = """
    errors console packaged records parquet anyfile source readers sources clean quality privacy evalsets guard dedup
    formatter ledger recipe staging engine release schemas look trace validation statistics export configs licences
    croissant diff card report complete build hub pins download fetch cli demo
""".split()
STAGES = "recipe plan stage data model lineage planning training cpt sft dpo evals report cli __main__ demo".split()
DOORS = {"errors", "console", "records", "release", "hub", "evalsets"}
HEAVY = "torch ray transformers datasets numba pyarrow"


def imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def room(path: Path, package: str) -> str:
    part = path.relative_to(ROOT / package).parts[0]
    return part.removesuffix(".py")


def test_a_room_imports_only_rooms_above_it() -> None:
    wrong = []
    for package, order in (("chimed", CHIMED), ("qilin_stages", STAGES)):
        for path in (ROOT / package).rglob("*.py"):
            here = room(path, package)
            if here == "__init__":
                continue
            assert here in order, f"{path.relative_to(ROOT)} is not in the list of rooms"
            for name in imports(path):
                parts = name.split(".")
                if parts[0] != package or len(parts) < 2 or parts[1] == here or parts[1] not in order:
                    continue
                if order.index(parts[1]) > order.index(here):
                    wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong, wrong


def test_the_packages_meet_only_at_the_doors() -> None:
    wrong = []
    for path in (ROOT / "chimed").rglob("*.py"):
        wrong += [f"{path.name}: {n}" for n in imports(path) if n.startswith("qilin_stages")]
    for path in (ROOT / "qilin_stages").rglob("*.py"):
        wrong += [
            f"{path.name}: {n}" for n in imports(path) if n.startswith("chimed.") and n.split(".")[1] not in DOORS
        ]
    assert not wrong, wrong


def test_start_up_loads_neither_torch_nor_ray() -> None:
    code = f"import sys, chimed.cli, qilin_stages.cli; print([m for m in {HEAVY.split()} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
