"""Modules, functions, classes and protocols stay small; what must be larger says why in one list."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator

from tests.house.tree import CHECKOUT, Module, modules

MODULE_LINES = 400
STATEMENTS = 40
ARGUMENTS = 6
CLASS_METHODS = 12
PROTOCOL_METHODS = 7

# Names that say nothing about what is inside.
EMPTY_NAMES = {"utils", "util", "common", "helpers", "helper", "misc"}


def test_nothing_is_larger_than_the_house_allows_without_a_reason() -> None:
    allowed = tomllib.loads((CHECKOUT / "tests/house/larger.toml").read_text(encoding="utf-8"))
    found = {name: said for module in _all() for name, said in too_large(module)}
    unexplained = [f"{name}: {said}" for name, said in found.items() if name not in allowed]
    assert not unexplained, "\n".join(unexplained)
    assert set(allowed) <= set(found), f"no longer needed: {sorted(set(allowed) - set(found))}"
    assert all(len(reason.split()) > 3 for reason in allowed.values())


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert not [module.name for module in _all() if EMPTY_NAMES & set(module.name.removesuffix(".py").split("/"))]


def test_what_is_too_large_is_seen() -> None:
    body = "\n".join(f"    x{i} = {i}" for i in range(STATEMENTS + 1))
    methods = "\n".join(f"    def m{i}(self) -> None: ..." for i in range(CLASS_METHODS + 1))
    seven = "\n".join(f"    def m{i}(self) -> None: ..." for i in range(PROTOCOL_METHODS + 1))
    text = f"def long():\n{body}\ndef wide(a, b, c, d, *, e, f, g): ...\n"
    text += f"class Big:\n{methods}\nclass P(Protocol):\n{seven}"
    module = Module("example.py", MODULE_LINES + 1, ast.parse(text))
    assert [name for name, _ in too_large(module)] == [
        "example.py",
        "example.py:long",
        "example.py:wide",
        "example.py:Big",
        "example.py:P",
    ]


def too_large(module: Module) -> Iterator[tuple[str, str]]:
    """Name and size of everything in a module that is over a limit."""
    if module.lines > MODULE_LINES:
        yield module.name, f"{module.lines} lines, at most {MODULE_LINES}"
    yield from _inside(module.tree.body, f"{module.name}:")


def _inside(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, str]]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _function(node, prefix + node.name)
        elif isinstance(node, ast.ClassDef):
            yield from _class(node, prefix + node.name)
            yield from _inside(node.body, f"{prefix}{node.name}.")


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> Iterator[tuple[str, str]]:
    statements = sum(isinstance(each, ast.stmt) for each in ast.walk(node)) - 1
    if statements > STATEMENTS:
        yield name, f"{statements} statements, at most {STATEMENTS}"
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    arguments = len([each for each in given if each.arg not in {"self", "cls"}])
    if arguments > ARGUMENTS:
        yield name, f"{arguments} arguments, at most {ARGUMENTS}"


def _class(node: ast.ClassDef, name: str) -> Iterator[tuple[str, str]]:
    functions = [each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    public = [each for each in functions if not each.name.startswith("_")]
    protocol = any(isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases)
    # What a protocol states as a property is data that it has, not something that it does.
    if protocol:
        public = [each for each in public if not _is_property(each)]
    limit = PROTOCOL_METHODS if protocol else CLASS_METHODS
    if len(public) > limit:
        yield name, f"{len(public)} public methods, at most {limit}"


def _is_property(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(isinstance(each, ast.Name) and each.id == "property" for each in node.decorator_list)


def _all() -> list[Module]:
    return [module for folder in ("src/limosa", "tests", "bench") for module in modules(folder)]
