"""Corpus: the docstrings of the installed Python standard library, as rows of real text."""

from __future__ import annotations

import ast
import sysconfig
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from limosa.errors import Refused

__all__ = ["LEAST", "Docstring", "docstrings", "first_sentence"]

LEAST = 500
"""Fewer docstrings than this mean that the library's source files are not installed; Python 3.11 has 7,000."""

_LEFT_OUT = {"test", "tests", "idle_test", "idlelib", "lib2to3", "turtledemo", "site-packages", "dist-packages"}
"""Folders that hold tests, demonstrations, or what somebody else installed."""

_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Docstring:
    """One documented module, class or function: its qualified name and what it says of itself."""

    title: str
    body: str


def docstrings(folder: Path | None = None, *, most: int | None = None) -> list[Docstring]:
    """The docstrings below a folder, in the order of its files, equal texts once; nothing is imported.

    Args:
        folder: holds Python files; None for the standard library of this interpreter.
        most: at most so many, taken evenly from all of them; None for all.

    Raises:
        Refused: the interpreter came without the source files of its library.
    """
    root = folder or Path(sysconfig.get_paths()["stdlib"])
    found: dict[str, Docstring] = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if _LEFT_OUT.isdisjoint(parts):
            for each in _inside(path, ".".join(parts).removesuffix(".__init__")):
                found.setdefault(each.body, each)
    kept = list(found.values())
    if folder is None and len(kept) < LEAST:
        raise Refused(
            f"Only {len(kept)} docstrings are in {root}.",
            needed="The source files of Python's standard library; the demo takes its texts from them.",
            do="Install them (on Debian and Ubuntu: libpython3-stdlib), or run limosa with another Python.",
        )
    if most is None or most >= len(kept):
        return kept
    return [kept[place * len(kept) // most] for place in range(most)]


def first_sentence(text: str) -> str:
    """The first sentence of a docstring on one line, without the full stop."""
    paragraph = " ".join(text.strip().split("\n\n")[0].split())
    return paragraph.partition(". ")[0].rstrip(".")


def _inside(path: Path, module: str) -> Iterator[Docstring]:
    try:
        with warnings.catch_warnings():
            # Old modules hold escapes that newer compilers warn of; they are only read here.
            warnings.simplefilter("ignore")
            tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    yield from _below(tree, module)


def _below(node: _Documented, name: str) -> Iterator[Docstring]:
    text = (ast.get_docstring(node) or "").strip()
    # Postgres takes neither NUL nor a lone surrogate in a text.
    if text and "\0" not in text and _is_unicode(text):
        yield Docstring(name, text)
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _below(child, f"{name}.{child.name}")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
