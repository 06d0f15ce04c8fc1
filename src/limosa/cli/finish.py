"""`limosa finish`: drops the old side for good, once a person agrees."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limosa.cli.consent import require_consent
from limosa.cli.opening import opened
from limosa.cli.options import FILE, File, Yes
from limosa.cli.words import words_of

__all__ = ["finish"]


DropOld = Annotated[bool, typer.Option("--drop-old", help="Of a split: drop the old table, once all is proved.")]


Delete = Annotated[str, typer.Option("--delete", metavar="NAME", help="Of a copy: delete the old collection NAME.")]
Code = Annotated[
    Path | None, typer.Option("--code", metavar="DIR", help="Of a copy: list lines of code that name the old store.")
]
Now = Annotated[bool, typer.Option("--now", help="Do not wait for the end of soak_days.")]


def finish(
    file: File = FILE,
    drop_old: DropOld = False,
    delete: Delete = "",
    code: Code = None,
    now: Now = False,
    yes: Yes = False,
) -> None:
    """Drop the old vectors, or leave the old table or store behind, for good."""
    from limosa.cli.lines import print_heading, print_line
    from limosa.cli.pages.plan import print_code
    from limosa.cli.terminal import console
    from limosa.plan.code import mentions
    from limosa.plan.leavings import leavings
    from limosa.steps.finish import require_name
    from limosa.steps.soak import require_soaked

    out = console()
    with opened(file, say=lambda line: print_line(out, "finish", line)) as app:
        record = app.voyage.record()
        words = words_of(app.migration.shape, searched=app.voyage.store.capabilities.searched)
        if record.step == "finish" and not delete:
            out.print("The migration is finished already.")
            return
        # What finish would refuse is refused before anybody is asked.
        require_name(app.migration, delete)
        require_soaked(app.voyage, now=now)
        if record.switched or not words.switches:
            what = f"the collection {delete} is deleted" if delete else words.dropped if drop_old else words.kept
            require_consent(f"Finish {record.name}: {what}, for good?", yes=yes)
        app.finish(drop_old=drop_old, delete=delete, now=now)
        migration = app.migration
    out.print("Finished." if drop_old or delete else words.finished)
    gone = leavings(migration, deleted=bool(delete))
    if gone:
        print_heading(out, "What can go, when nothing else needs it")
        for each in gone:
            out.print(each, soft_wrap=True, markup=False, highlight=False)
    if code is not None:
        print_code(out, mentions(migration, code, but=file), code, what="the old store")
