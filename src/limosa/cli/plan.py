"""`limosa plan`: says what would be done and changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limosa.cli.opening import opened
from limosa.cli.options import FILE, File, Json
from limosa.errors import Refused

if TYPE_CHECKING:
    from limosa.app import App

__all__ = ["plan", "show_plan"]

Sql = Annotated[Path | None, typer.Option("--sql", metavar="DIR", help="Write the operations as scripts, up and down.")]


Code = Annotated[
    Path | None, typer.Option("--code", metavar="DIR", help="List lines of code that name model, size or column.")
]


def plan(file: File = FILE, sql: Sql = None, code: Code = None, json: Json = False) -> None:
    """Say what would be done: checks, cost, time, operations."""
    with opened(file) as app:
        show_plan(app, file, json=json, sql=sql, code=code)


def show_plan(
    app: App, file: Path, *, json: bool, sql: Path | None = None, code: Path | None = None, rehearse: bool = False
) -> None:
    """Prints the plan.

    Args:
        sql: a folder into which scripts are written; None writes none.
        code: a folder whose files are looked through; None looks through none.
        rehearse: of a split every row is decoded and counted.

    Raises:
        typer.Exit: the plan refuses the migration; it was printed all the same.
    """
    from limosa.cli.document import print_document
    from limosa.cli.pages.plan import print_code, print_plan
    from limosa.cli.terminal import console
    from limosa.plan.code import mentions

    lines = mentions(app.migration, code, but=file) if code is not None else None
    found = app.plan(sql=sql, rehearse=rehearse)
    if json:
        from dataclasses import asdict

        told = {"hash": found.hash, "scripts": str(sql) if sql is not None else None}
        named = [asdict(each) for each in lines] if lines is not None else None
        print_document({**asdict(found), **told, "code": named})
    else:
        out = console()
        print_plan(out, found, app.migration, file=file)
        if lines is not None and code is not None:
            print_code(out, lines, code)
        if sql is not None:
            out.print(f"The scripts are in {sql}.", soft_wrap=True)
    if found.refusals:
        raise typer.Exit(Refused.exit_code)
