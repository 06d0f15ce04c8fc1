"""`limosa rollback`: goes back to how it was before the migration."""

from __future__ import annotations

from typing import Annotated

import typer

from limosa.cli.consent import require_consent
from limosa.cli.opening import opened
from limosa.cli.options import FILE, File, Yes, with_file
from limosa.cli.words import words_of
from limosa.errors import Refused

__all__ = ["rollback"]


Chunk = Annotated[int | None, typer.Option("--chunk", metavar="N", help="Of a split: take only this chunk back.")]
Table = Annotated[str | None, typer.Option("--table", metavar="NAME", help="Of a split: take only this table back.")]


def rollback(file: File = FILE, chunk: Chunk = None, table: Table = None, yes: Yes = False) -> None:
    """Go back, from any point before finish."""
    from limosa.cli.amounts import rows
    from limosa.cli.lines import print_line
    from limosa.cli.terminal import console

    if chunk is not None and table is not None:
        raise Refused("A chunk and a table are named.", needed="One of --chunk and --table.")
    out = console()
    with opened(file, say=lambda line: print_line(out, "rollback", line)) as app:
        record = app.voyage.record()
        if chunk is not None or table is not None:
            what = f"chunk {chunk}" if chunk is not None else f"the rows of {table}"
            require_consent(f"Take {what} of {record.name} back?", yes=yes)
            app.rollback(chunk=chunk, table=table)
            out.print(with_file("limosa run FILE carries them again.", file), soft_wrap=True)
            return
        if record.step != "finish":
            old = words_of(record.shape).old
            what = f"switch back to the old {old}, and drop" if record.switched else "drop"
            require_consent(f"Roll {record.name} back: {what} what was made of {record.step}?", yes=yes)
        left = app.rollback()
    if left:
        out.print(f"{rows(len(left))} rows are without an old vector:")
        for key, reason in left:
            print_line(out, "/".join(key), reason, width=max(10, len("/".join(key)) + 2))
    out.print("Rolled back.")
