"""The modules of limosa and of its tests, parsed once, for the tests of the house."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["CHECKOUT", "Module", "modules", "package"]

CHECKOUT = Path(__file__).resolve().parents[2]
"""The root of the repository."""


@dataclass(frozen=True, slots=True)
class Module:
    """One Python file.

    Attributes:
        name: path inside the checkout, with slashes.
        lines: how many there are.
        tree: the syntax tree.
    """

    name: str
    lines: int
    tree: ast.Module

    @property
    def defined(self) -> dict[str, str]:
        """Names bound at the top of the module: ``made`` (functions, classes), ``set`` or ``taken`` (imports)."""
        return {name: kind for node in self.tree.body for name, kind in _bound(node)}

    @property
    def declared(self) -> list[str] | None:
        """What stands in ``__all__``; None where there is none."""
        for node in self.tree.body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and "__all__" in _targets(node) and node.value is not None:
                return list(ast.literal_eval(node.value))
        return None

    @property
    def imported(self) -> set[str]:
        """First parts of the absolute names that the module imports anywhere, stdlib and limosa left out."""
        names: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                names.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
        return {name for name in names if name not in sys.stdlib_module_names and name != "limosa"}


def package() -> tuple[Module, ...]:
    """The modules of the package."""
    return modules("src/limosa")


@cache
def modules(folder: str) -> tuple[Module, ...]:
    """The modules below a folder of the checkout, sorted by name."""
    return tuple(_read(path) for path in sorted((CHECKOUT / folder).rglob("*.py")))


def _read(path: Path) -> Module:
    text = path.read_text(encoding="utf-8")
    return Module(path.relative_to(CHECKOUT).as_posix(), text.count("\n"), ast.parse(text))


def _targets(node: ast.Assign | ast.AnnAssign) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _bound(node: ast.stmt) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name, "made"
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        yield from ((name, "set") for name in _targets(node))
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from ((alias.asname or alias.name, "taken") for alias in node.names)
    elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        yield from (found for each in node.body for found in _bound(each))
