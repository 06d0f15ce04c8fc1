"""The command line: its commands, each in a file of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from limosa.cli.command import Command
from limosa.cli.cutover import cutover
from limosa.cli.doctor import doctor
from limosa.cli.finish import finish
from limosa.cli.init import init
from limosa.cli.pause import pause
from limosa.cli.plan import plan
from limosa.cli.report import report
from limosa.cli.restore import restore
from limosa.cli.resume import resume
from limosa.cli.retry import retry
from limosa.cli.rollback import rollback
from limosa.cli.run import run
from limosa.cli.search import search
from limosa.cli.set import set_values
from limosa.cli.status import status
from limosa.cli.verify import verify
from limosa.version import __version__

__all__ = ["commands", "main"]

# Without rich in the help: importing it takes longer than everything else together.
commands = typer.Typer(
    name="limosa",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    # Before anything else is parsed: for the values of other options typer imports pydantic.
    if wanted:
        typer.echo(f"limosa {__version__}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)]
Keep = Annotated[Path | None, typer.Option("--keep", metavar="DIR", help="Leave the database in DIR to look around.")]


@commands.callback()
def _limosa(version: Version = False) -> None:
    """Move embeddings to another model while the application keeps running.

    FILE is limosa.toml where it is left out. The order of things: init, plan, run, cutover, finish.
    """


@commands.command("demo", cls=Command)
def _demo(keep: Keep = None) -> None:
    """Migrate a table of real text on an embedded Postgres."""
    from limosa.cli.demo import demo

    demo(keep)


_COMMANDS: dict[str, Callable[..., None]] = {
    "init": init,
    "plan": plan,
    "run": run,
    "status": status,
    "pause": pause,
    "resume": resume,
    "set": set_values,
    "retry": retry,
    "verify": verify,
    "report": report,
    "search": search,
    "doctor": doctor,
    "cutover": cutover,
    "rollback": rollback,
    "finish": finish,
    "restore": restore,
}

for _name, _command in _COMMANDS.items():
    commands.command(_name, cls=Command)(_command)


def main() -> None:
    """What the program ``limosa`` does; ends the process with the exit code."""
    commands(sys.argv[1:] or ["--help"], prog_name="limosa")
