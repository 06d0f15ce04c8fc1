"""`limosa restore`: puts a backup back, proved before it is committed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limosa.cli.consent import require_consent, require_word
from limosa.cli.opening import opened
from limosa.cli.options import FILE, File, Json, Yes

if TYPE_CHECKING:
    from limosa.model.backup import Backup, Way

__all__ = ["restore"]

From = Annotated[Path | None, typer.Option("--from", metavar="PATH", help="The backup's folder, if not the newest.")]
Into = Annotated[str | None, typer.Option("--into", metavar="NAME", help="Put the rows into a new table beside it.")]
Replace = Annotated[bool, typer.Option("--replace", help="Put the rows in place of those that are there.")]
Database = Annotated[
    str | None, typer.Option("--database", metavar="env:URL", help="Another database; for a whole one, an empty one.")
]


def restore(  # noqa: PLR0913, PLR0917 - one parameter for each option
    file: File = FILE,
    path: From = None,
    into: Into = None,
    replace: Replace = False,
    database: Database = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Put back what was backed up before a migration."""
    from dataclasses import asdict

    from limosa.cli.document import print_document

    with opened(file) as app:
        done = app.restore(
            path=path,
            into=into or "",
            replace=replace,
            database=database,
            agree=lambda backup, way: _ask(backup, way, into or "", yes=yes),
        )
    if json:
        print_document(asdict(done))
    else:
        typer.echo(
            f"{done.place}: {done.rows:,} rows are back, equal to those of the backup of {done.backup.made[:19]} UTC."
        )


def _ask(backup: Backup, way: Way, into: str, *, yes: bool) -> None:
    made = f"{backup.path}, made {backup.made[:19]} UTC by {backup.method}, {backup.rows:,} rows"
    if way == "replace":
        what = f"Replace every row of {backup.table} by those of {made}. What was written since then is gone"
        require_word(what, backup.table, yes=yes)
        return
    what = {
        "missing": f"Make {backup.table} again",
        "beside": f"Make the table {into}",
        "database": "Fill the empty database",
    }[way]
    require_consent(f"{what} from {made}?", yes=yes)
