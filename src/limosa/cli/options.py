"""Arguments and options that several commands share, and how a file is named in what they say."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["FILE", "File", "Json", "Yes", "names_in", "with_file"]

FILE = Path("limosa.toml")
"""The migration that a command takes when none is named."""

File = Annotated[Path, typer.Argument(metavar="FILE", help="The migration.")]
Json = Annotated[bool, typer.Option("--json", help="Print facts for a program.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def names_in(given: str) -> tuple[str, ...]:
    """The names of a list that a person writes with commas; blanks around them do not count."""
    return tuple(name.strip() for name in given.split(",") if name.strip())


def with_file(said: str, file: Path) -> str:
    """The file's own name instead of FILE in every command that a text names, ready for a shell."""
    called = shlex.quote(str(file))
    return re.sub(r"\b(limosa \w+) FILE\b", lambda found: f"{found[1]} {called}", said)
