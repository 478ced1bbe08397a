"""Writes the generated pages: docs/cli.md from both commands, docs/modules.md from the imports. `--check` only compares.

python docs/generate.py
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("chimed", "qilin_stages")
REQUIRED = object()
NOTE = "<!-- generated: python docs/generate.py -->\n"


def main(words: list[str]) -> int:
    """Write the pages, or with `--check` name the stale ones; the exit code."""
    stale = [path for path, text in pages().items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if "--check" not in words:
            path.write_text(pages()[path], encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
    return int(bool(stale) and "--check" in words)


def pages() -> dict[Path, str]:
    """Every generated page and what it has to say."""
    return {ROOT / "docs" / "cli.md": command_pages(), ROOT / "docs" / "modules.md": module_page()}


def command_pages() -> str:
    """The reference of both commands."""
    from chimed.cli import app as chimed
    from qilin_stages.cli import app as stages

    parts = ["# The two commands", NOTE, "Results go to stdout, progress and notes to stderr. Exit codes: 0 fine, 1 "
             "unexpected, 2 usage or configuration, 3 not authorised, 4 conflict, 5 network, 6 data.\n"]  # fmt: skip
    for name, app in (("chimed", chimed), ("qilin-stage", stages)):
        commands = verbs(app)
        links = " · ".join(f"[{verb}](#{name}-{verb})" for verb in commands)
        parts += [f"## {name}\n\n{links}\n", *(reference(f"{name} {verb}", call) for verb, call in commands.items())]
    return "\n".join(parts)


def reference(name: str, call: Callable[..., Any]) -> str:
    """One command: what it does, how it is called, its arguments and options."""
    taken = parameters(call)
    arguments = [one for one in taken if not one.names]
    usage = [name, *(["[OPTIONS]"] if len(taken) > len(arguments) else []), *(one.metavar for one in arguments)]
    about, _, example = inspect.cleandoc(call.__doc__ or "").partition("Example:")
    example, _, more = example.partition("\n\n")
    lines = [f"### {name}\n", f"{' '.join(f'{about} {more}'.split())}\n", f"```text\n{' '.join(usage)}\n```\n"]
    if example:
        lines.append(f"Example: `{example.strip()}`\n")
    if taken:
        lines += ["| | default | |", "|---|---|---|"]
        lines += [one.line() for one in sorted(taken, key=lambda one: bool(one.names))]
    return "\n".join(lines).rstrip() + "\n"


def verbs(app: Any) -> dict[str, Callable[..., Any]]:
    """The commands of a typer application by name, in the order in which they were declared."""
    found = ((command.name or command.callback.__name__, command.callback) for command in app.registered_commands)
    return {name.strip("_").replace("_", "-"): call for name, call in found}


def parameters(call: Callable[..., Any]) -> list[Parameter]:
    """What a command takes, in its order."""
    return [Parameter.of(one) for one in inspect.signature(call, eval_str=True).parameters.values()]


@dataclass(frozen=True)
class Parameter:
    """An argument (no names) or an option of a command; `takes` are its choices or the kind of its value."""

    metavar: str
    names: tuple[str, ...]
    takes: str
    default: Any
    about: str

    @classmethod
    def of(cls, one: inspect.Parameter) -> Parameter:
        """From a parameter of the command's function, annotated by typer.Option or typer.Argument."""
        kind, info = one.annotation.__origin__, one.annotation.__metadata__[0]
        optional = one.default is not inspect.Parameter.empty
        metavar = info.metavar or one.name.rstrip("_").upper()
        default = one.default if optional else REQUIRED
        if type(info).__name__ != "OptionInfo":
            shown = (f"[{metavar}]" if optional else metavar) + ("..." if "list[" in str(kind) else "")
            return cls(shown, (), "", default, info.help or "")
        said = [word for word in (info.default, *(info.param_decls or ())) if isinstance(word, str) and word[0] == "-"]
        names = tuple(sorted(said, key=len)) or (f"--{one.name.replace('_', '-')}",)
        return cls(metavar, names, info.metavar or values(kind), default, info.help or "")

    def line(self) -> str:
        """Its line of the table."""
        title = " ".join([", ".join(self.names), self.takes]).strip() if self.names else self.metavar
        return f"| `{cell(title)}` | {self._default() if self.names else ''} | {cell(self.about)} |"

    def _default(self) -> str:
        if self.default is REQUIRED:
            return "required"
        if self.default is None or self.default is False:
            return ""
        return "on" if self.default is True else f"`{getattr(self.default, 'value', self.default)}`"


def values(kind: Any) -> str:
    """What an option takes: its choices, else the kind of value; nothing for a flag."""
    inner = [one for one in get_args(kind) if one is not type(None)]
    if get_origin(kind) is Literal:
        return "|".join(inner)
    if inner:
        return values(inner[0])
    if issubclass(kind, Enum):
        return "|".join(str(one.value) for one in kind)
    return {bool: "", Path: "PATH", int: "NUMBER", float: "NUMBER"}.get(kind, "TEXT")


def cell(text: str | None) -> str:
    """Text that stays in one cell of a table."""
    return (text or "").replace("|", "\\|")


def module_page() -> str:
    """The rooms of both packages: what each is, and what it imports."""
    parts = ["# Modules", NOTE, "A module imports only modules above it; `tests/test_layers.py` keeps it so. The graphs "
             "leave out an arrow where a longer way leads to the same place; the tables have all of them.\n"]  # fmt: skip
    for package in PACKAGES:
        graph = imports_of(package)
        arrows = [f"    {a} --> {b}" for a in sorted(graph) for b in sorted(reduced(graph, a))]
        parts += [f"## {package}\n", "```mermaid", "flowchart TB", *arrows, "```\n", *table(package, graph)]
    doors = sorted({name for path in modules("qilin_stages") for name in rooms_in(path, "chimed")})
    parts.append(f"`qilin_stages` reaches `chimed` only through {', '.join(f'`{door}`' for door in doors)}.\n")
    return "\n".join(parts)


def modules(package: str) -> list[Path]:
    """Python files of a package, sorted."""
    return sorted((ROOT / package).rglob("*.py"))


def room(path: Path, package: str) -> str:
    """The module or sub-package right below `package` that a file belongs to."""
    return path.relative_to(ROOT / package).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """Dotted names that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def rooms_in(path: Path, package: str) -> set[str]:
    """Rooms of `package` that a file imports."""
    known = {room(module, package) for module in modules(package)} - {"__init__", "__main__"}
    parts = (name.split(".") for name in imported(path))
    return {name[1] for name in parts if name[0] == package and len(name) > 1 and name[1] in known}


def imports_of(package: str) -> dict[str, set[str]]:
    """Room -> rooms of the same package that it imports."""
    graph: dict[str, set[str]] = {}
    for path in modules(package):
        here = room(path, package)
        if here not in {"__init__", "__main__"}:
            graph.setdefault(here, set()).update(rooms_in(path, package) - {here})
    return graph


def reduced(graph: dict[str, set[str]], start: str) -> set[str]:
    """Direct imports of a room that none of its other imports brings along."""
    return {near for near in graph[start] if not any(near in reached(graph, by) for by in graph[start] - {near})}


def reached(graph: dict[str, set[str]], start: str) -> set[str]:
    """All rooms that a room needs, over any number of steps."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for name in graph[waiting.pop()] - found:
            found.add(name)
            waiting.append(name)
    return found


def table(package: str, graph: dict[str, set[str]]) -> list[str]:
    """One line per room: its files' first sentence, and its direct imports."""
    lines = ["| module | what it is | imports |", "|---|---|---|"]
    for name in sorted(graph):
        path = ROOT / package / f"{name}.py"
        path = path if path.is_file() else ROOT / package / name / "__init__.py"
        about = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n\n")[0]
        lines.append(f"| `{name}` | {cell(' '.join(about.split()))} | {', '.join(sorted(graph[name]))} |")
    return [*lines, ""]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
