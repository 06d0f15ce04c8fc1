"""Every command and option that the documentation names exists, and every one that exists is described."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache

import pytest

from limosa import errors
from tests.docs.pages import Page, limosa_lines, pages

_REFERENCE = next(page for page in pages() if page.name == "docs/reference/commands.md")
_COMMANDS = sorted(set(re.findall(r"^## `limosa (\w+)", _REFERENCE.text, re.MULTILINE)))


def test_the_reference_describes_every_command_and_no_other() -> None:
    assert commands() == set(_COMMANDS)


@pytest.mark.parametrize("name", _COMMANDS)
def test_the_reference_describes_every_option_and_no_other(name: str) -> None:
    assert options(name) == described(_REFERENCE, name)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_call_that_is_shown_exists(page: Page) -> None:
    for call in limosa_lines(page):
        command = call[0]
        if command in {"COMMAND", "--help"}:
            continue
        assert command in commands(), call
        assert {word for word in call if word.startswith("--")} <= options(command) | {"--help"}, call


def test_the_reference_names_every_exit_code() -> None:
    page = next(page for page in pages() if page.name == "docs/reference/exit-codes.md")
    rows = dict(re.findall(r"^\| (\d) \| `(\w+)`", page.text, re.MULTILINE))
    assert rows == {str(getattr(errors, name).exit_code): name for name in rows.values()}
    raised = {getattr(errors, name).exit_code for name in errors.__all__}
    assert {int(code) for code in rows} == raised


def described(page: Page, name: str) -> set[str]:
    """The options in a command's own section of the reference."""
    section = re.split(r"^## ", page.text, flags=re.MULTILINE)
    body = next(part for part in section if part.startswith(f"`limosa {name}"))
    return set(re.findall(r"^- `(--[\w-]+)", body, re.MULTILINE))


def commands() -> set[str]:
    """The commands that ``limosa --help`` lists."""
    text = _help()
    listed = text[text.index("Commands") :]
    return set(re.findall(r"^[\s│|]*([a-z][a-z-]*)(?=\s{2,}\S)", listed, re.MULTILINE))


def options(name: str) -> set[str]:
    """The options that the command's own help lists."""
    # What a description mentions stands further to the right than what the command takes.
    taken = re.findall(r"^[\s│|*]*(?:-\w,? +)?(--[\w-]+)", _help(name), re.MULTILINE)
    return set(taken) - {"--help"}


@cache
def _help(*command: str) -> str:
    plain = {**os.environ, "COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"}
    argv = [sys.executable, "-m", "limosa", *command, "--help"]
    done = subprocess.run(argv, capture_output=True, text=True, env=plain, timeout=60, check=True)
    return done.stdout
