"""Every module says in one sentence what it is and lists its public names; the package's door is short."""

from __future__ import annotations

import ast

import limosa
from tests.house.tree import CHECKOUT, Module, modules, package


def test_every_module_opens_with_a_sentence() -> None:
    found = [module for folder in ("src/limosa", "tests", "bench") for module in modules(folder)]
    assert len(found) > 50
    silent = [module.name for module in found if not _first_line(module).endswith((".", ":", ";"))]
    assert not silent


def test_every_folder_of_the_package_is_a_package() -> None:
    folders = {path.parent for path in (CHECKOUT / "src/limosa").rglob("*.py")}
    assert not [str(folder) for folder in folders if not (folder / "__init__.py").exists()]


def test_every_function_and_class_stands_in_all_or_begins_with_an_underscore() -> None:
    wrong = {module.name: faults for module in package() if (faults := faults_of_all(module))}
    assert not wrong, "\n".join(f"{name}: {', '.join(faults)}" for name, faults in wrong.items())


def test_modules_take_from_each_other_only_what_stands_in_all() -> None:
    declared = {dotted(module): set(module.declared or []) for module in package()}
    taken = [taken for module in package() for taken in private_imports(module, declared)]
    assert not taken, "\n".join(taken)


def test_a_name_that_is_missing_in_all_is_seen() -> None:
    text = '__all__ = ["a", "gone", "a"]\na = 1\nBOUND = 2\n_c = 3\ndef d(): ...\nclass E: ...\n'
    module = Module("example.py", 6, ast.parse(text))
    assert faults_of_all(module) == ["a stands twice", "gone is not there", "d is missing", "E is missing"]
    assert faults_of_all(Module("example.py", 1, ast.parse("def d(): ..."))) == ["there is no __all__"]


def test_an_import_of_a_private_name_is_seen() -> None:
    declared = {"limosa.a": {"known"}, "limosa.b": set[str]()}
    module = Module("src/limosa/c.py", 3, ast.parse("from limosa.a import known, hidden\nfrom limosa import b\n"))
    assert private_imports(module, declared) == ["src/limosa/c.py: limosa.a.hidden"]


def faults_of_all(module: Module) -> list[str]:
    """What is wrong with the list of a module's public names; a module without names needs none."""
    declared, defined = module.declared, module.defined
    public = [name for name, kind in defined.items() if kind == "made" and not name.startswith("_")]
    if declared is None:
        return ["there is no __all__"] if public else []
    return [
        *(f"{name} stands twice" for name in dict.fromkeys(declared) if declared.count(name) > 1),
        *(f"{name} is not there" for name in declared if name not in defined),
        *(f"{name} is missing" for name in public if name not in declared),
    ]


def private_imports(module: Module, declared: dict[str, set[str]]) -> list[str]:
    """Names that a module imports from another one which does not offer them."""
    return [
        f"{module.name}: {node.module}.{alias.name}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and node.module in declared
        for alias in node.names
        if alias.name not in declared[node.module] and f"{node.module}.{alias.name}" not in declared
    ]


def dotted(module: Module) -> str:
    """The name under which a module is imported."""
    return module.name.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def test_the_door_of_the_package() -> None:
    assert limosa.__all__ == sorted(limosa.__all__)
    assert "__version__" in limosa.__all__
    assert all(hasattr(limosa, name) for name in limosa.__all__)


def _first_line(module: Module) -> str:
    return (ast.get_docstring(module.tree) or "").partition("\n")[0]
