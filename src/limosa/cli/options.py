"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["FILE", "File", "Json", "Yes"]

FILE = Path("limosa.toml")
"""The migration that a command takes when none is named."""

File = Annotated[Path, typer.Argument(metavar="FILE", help="The migration.")]
Json = Annotated[bool, typer.Option("--json", help="Print facts for a program.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
