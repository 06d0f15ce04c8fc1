"""The reference of the Python API, made of the docstrings: ``python -m tests.docs.python_page`` writes it."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import limosa
from limosa import errors
from tests.docs.pages import CHECKOUT

__all__ = ["PAGE", "made"]

WIDTH = 100
"""Columns of a line of code that a page shows whole."""

PAGE = CHECKOUT / "docs/reference/python.md"

_TOP = """# Python

<!-- Made of the docstrings by `python -m tests.docs.python_page`, a part of `make docs`. Edit those. -->

Everything that the commands do, for programs. How to go about it is in [Use it from
Python](../how-to/use-from-python.md). All that is listed here can be imported from `limosa`, errors from
`limosa.errors`; `import limosa` itself loads nothing else. Values that verbs give back are frozen.
"""

_SECTION = re.compile(r"^(Args|Attributes|Raises|Returns):$", re.MULTILINE)
_ITEM = re.compile(r"^    (\S.*?): (.*(?:\n     .*)*)", re.MULTILINE)


def made() -> str:
    """The page as the docstrings have it now."""
    values = [name for name in limosa.__all__ if inspect.isclass(getattr(limosa, name)) and name != "App"]
    functions = [name for name in limosa.__all__ if inspect.isfunction(getattr(limosa, name))]
    parts = [_TOP, "## Functions\n"]
    parts += [_function(f"limosa.{name}", getattr(limosa, name)) for name in functions]
    parts += ["## An open migration\n", _said(limosa.App)]
    parts += [_function(f"migration.{name}", verb) for name, verb in _verbs()]
    parts += ["## What verbs give back\n", *(_value(getattr(limosa, name)) for name in values)]
    parts += ["## Errors\n", *(_error(getattr(errors, name)) for name in ("LimosaError", *_branches()))]
    return "\n".join(part.rstrip() + "\n" for part in parts)


def _verbs() -> Iterator[tuple[str, Any]]:
    """The methods in the order of the file."""
    for name, found in vars(limosa.App).items():
        if inspect.isfunction(found) and not name.startswith("_"):
            yield name, found


def _branches() -> list[str]:
    return [name for name in errors.__all__ if getattr(errors, name).__base__ is errors.LimosaError]


def _function(called: str, function: Any) -> str:
    lines = [f"### `{called}`\n", f"```python\n{_signature(called, function)}\n```\n", _said(function)]
    return "\n".join(lines)


def _signature(called: str, function: Any) -> str:
    """The call with its types, on one line where it fits, else one for each argument."""
    node = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(node, ast.FunctionDef)
    shown = [_argument(each, default) for each, default in _given(node.args)]
    star = ["*"] if node.args.kwonlyargs else []
    at = len(shown) - len(node.args.kwonlyargs)
    shown = shown[:at] + star + shown[at:]
    if node.args.kwarg is not None:
        shown.append(f"**{_argument(node.args.kwarg, None)}")
    back = f" -> {ast.unparse(node.returns)}" if node.returns is not None else ""
    line = f"{called}({', '.join(shown)}){back}"
    return line if len(line) <= WIDTH else f"{called}(\n    " + ",\n    ".join(shown) + f",\n){back}"


def _given(arguments: ast.arguments) -> Iterator[tuple[ast.arg, ast.expr | None]]:
    """Arguments and their defaults, those by position first."""
    plain = [*arguments.posonlyargs, *arguments.args]
    missing = len(plain) - len(arguments.defaults)
    for each, default in zip(plain, [*[None] * missing, *arguments.defaults], strict=True):
        if each.arg != "self":
            yield each, default
    yield from zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)


def _argument(given: ast.arg, default: ast.expr | None) -> str:
    typed = f"{given.arg}: {ast.unparse(given.annotation)}" if given.annotation is not None else given.arg
    if default is None:
        return typed
    # A function that does nothing says nothing to a reader.
    return f"{typed} = {'...' if isinstance(default, ast.Lambda) else ast.unparse(default)}"


def _value(kind: type) -> str:
    """A dataclass: what it is, then its fields and what can be asked of it."""
    said = inspect.getdoc(kind) or ""
    head, notes = _parts(said)
    known = {name.strip(): text for names, text in notes.get("Attributes", []) for name in names.split(",")}
    lines = [f"### `{kind.__name__}`\n", _markdown(head), ""]
    for each in dataclasses.fields(kind):
        text = known.get(each.name, "")
        lines.append(f"- `{each.name}`: {_type(kind, str(each.type))}" + (f"; {text}" if text else ""))
    for name, found in inspect.getmembers(kind, lambda each: isinstance(each, property)):
        returned = inspect.signature(found.fget).return_annotation
        lines.append(f"- `{name}`: {_type(kind, returned)}; {_markdown(_first(found.fget))}")
    return "\n".join(lines) + "\n"


def _type(kind: type, named: str) -> str:
    """A type as code; a name that stands for a few words gives these, one that is on the page leads there."""
    found = getattr(sys.modules[kind.__module__], named, None)
    if get_origin(found) is Literal:
        named = f"Literal[{', '.join(map(repr, get_args(found)))}]"
    leads = next((name for name in limosa.__all__ if re.search(rf"\b{name}\b", named) and name[0].isupper()), None)
    return f"[`{named}`](#{leads.lower()})" if leads else f"`{named}`"


def _error(kind: Any) -> str:
    base = "" if kind is errors.LimosaError else f" Exit code {kind.exit_code} of a command."
    below = [name for name in errors.__all__ if kind in getattr(errors, name).__mro__[1:]]
    kinds = f" Of its kind: {', '.join(f'`{name}`' for name in below)}." if below and base else ""
    head, notes = _parts(inspect.getdoc(kind) or "")
    lines = [f"### `{kind.__name__}`\n", _markdown(head) + base + kinds, ""]
    lines += [f"- `{name}`: {text}" for name, text in notes.get("Args", [])]
    return "\n".join(lines) + "\n"


def _said(thing: Any) -> str:
    """A docstring as Markdown: its prose, then arguments and errors as lists."""
    head, notes = _parts(inspect.getdoc(thing) or "")
    lines = [_markdown(head), ""]
    for title in ("Args", "Attributes", "Raises"):
        if title in notes:
            lines += ([] if title == "Args" else ["", f"{title}:"]) + [""]
            lines += [f"- `{name}`: {text}" for name, text in notes[title]]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def _parts(said: str) -> tuple[str, dict[str, list[tuple[str, str]]]]:
    """The prose of a docstring, and its sections as pairs of name and text."""
    head, *rest = _SECTION.split(said)
    sections = dict(zip(rest[::2], rest[1::2], strict=True))
    listed = {
        title: [(name, _markdown(" ".join(text.split()))) for name, text in _ITEM.findall(body)]
        for title, body in sections.items()
    }
    return head.strip(), listed


def _first(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def _markdown(text: str) -> str:
    return text.replace("``", "`")


if __name__ == "__main__":
    PAGE.write_text(made(), encoding="utf-8")
