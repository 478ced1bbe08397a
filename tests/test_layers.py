"""The rooms: a module imports only modules above it, none in a circle, the packages meet at doors, start-up is light."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHIMED = """
    errors console packaged compiled records parquet anyfile source readers sources clean quality privacy evalsets guard dedup
    formatter ledger recipe staging engine release schemas look trace validation statistics export configs licences
    croissant diff card report complete build hub pins download fetch cli demo
""".split()
STAGES = "recipe plan stage data model lineage planning training cpt sft dpo evals report cli __main__ demo".split()
DOORS = {"errors", "console", "records", "release", "hub", "evalsets"}
HEAVY = "torch ray transformers datasets numba pyarrow"


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """All that may run, bodies of functions included; what only a type checker reads is left out."""
    for child in ast.iter_child_nodes(node):
        checked = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        for part in child.orelse if isinstance(child, ast.If) and checked else [child]:
            yield part
            yield from statements(part)


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in statements(tree):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"line {node.lineno}: a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def imports(path: Path) -> set[str]:
    return imported(ast.parse(path.read_text(encoding="utf-8")))


def modules() -> dict[str, Path]:
    paths = [path for package in ("chimed", "qilin_stages") for path in (ROOT / package).rglob("*.py")]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


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


def test_no_modules_import_each_other_in_a_circle() -> None:
    """An import inside a function closes a circle as well as one at the top: it only hides it."""
    known = modules()
    graph = {}
    for module, path in known.items():
        names = {name if name in known else name.rpartition(".")[0] for name in imports(path)}
        graph[module] = (names & known.keys()) - {module}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" <- ".join(error.args[1])) from None


def test_an_import_counts_wherever_it_can_run() -> None:
    text = "if TYPE_CHECKING:\n    import a\nelse:\n    import b\ndef f():\n    if f:\n        from c import d"
    assert imported(ast.parse(text)) == {"b", "c.d"}


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
