"""A command of the command line: whatever goes wrong in it becomes three plain parts and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

from limosa.cli.options import with_file
from limosa.errors import LimosaError

__all__ = ["Command", "print_error"]

WORLD_FAILED = LimosaError.exit_code
"""Also for Ctrl-C and for bugs: something may be half done, and repeating is safe."""


class Command(TyperCommand):
    """A typer command that ends with the exit code of the error that ended it."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command's body.

        Raises:
            typer.Exit: an error ended it; it was printed.
        """
        try:
            return super().invoke(ctx)
        except LimosaError as error:
            print_error(error, file=ctx.params.get("file"), as_json=bool(ctx.params.get("json")))
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            typer.echo("Interrupted. Everything committed stands; repeat the command to go on.", err=True)
            raise typer.Exit(WORLD_FAILED) from error
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if _is_usage(error):
                raise
            _print_bug(error)
            raise typer.Exit(WORLD_FAILED) from error


def print_error(error: LimosaError, *, file: Path | None = None, as_json: bool = False) -> None:
    """What is so, what was needed and what to do, on standard error; with ``as_json`` on standard output too.

    Args:
        file: the migration's file, which then stands in the advice instead of FILE.
    """
    from limosa.cli.document import error_document, print_document
    from limosa.cli.lines import print_line
    from limosa.cli.terminal import console

    named = _named(error, file)
    out = console(stderr=True)
    style = "bold red" if error.exit_code != 2 else "bold yellow"
    parts = ((type(error).__name__, named.what), ("needed", named.needed), ("do", named.do))
    for number, (place, said) in enumerate(parts):
        for line, text in enumerate(said.splitlines()):
            print_line(out, place if line == 0 else "", text, width=13, style="bold" if number else style)
    if as_json:
        print_document(error_document(named))


def _named(error: LimosaError, file: Path | None) -> LimosaError:
    if file is None:
        return error
    return type(error)(error.what, needed=with_file(error.needed, file), do=with_file(error.do, file))


def _is_usage(error: Exception) -> bool:
    # typer's own errors of usage know how to print themselves; their base has no public name in typer.
    return hasattr(error, "show") and hasattr(error, "exit_code")


def _print_bug(error: Exception) -> None:
    if os.environ.get("LIMOSA_DEBUG") == "1":
        traceback.print_exception(error, file=sys.stderr)
    said = " ".join(str(error).split())[:200]
    typer.echo(f"A bug in limosa: {type(error).__name__}: {said} (LIMOSA_DEBUG=1 shows where)", err=True)
