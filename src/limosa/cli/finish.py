"""`limosa finish`: drops the old side for good, once a person agrees."""

from __future__ import annotations

from typing import Annotated

import typer

from limosa.cli.consent import require_consent
from limosa.cli.opening import opened
from limosa.cli.options import FILE, File, Yes

__all__ = ["finish"]


DropOld = Annotated[bool, typer.Option("--drop-old", help="Of a split: drop the old table, once all is proved.")]


def finish(file: File = FILE, drop_old: DropOld = False, yes: Yes = False) -> None:
    """Drop the old vectors, or leave the old table behind, for good."""
    from limosa.cli.lines import print_line
    from limosa.cli.terminal import console

    out = console()
    with opened(file, say=lambda line: print_line(out, "finish", line)) as app:
        record = app.voyage.record()
        if record.step == "finish":
            out.print("The migration is finished already.")
            return
        if record.switched or record.shape == "fill":
            require_consent(f"Finish {record.name}: {_what(record.shape, drop_old=drop_old)}, for good?", yes=yes)
        app.finish(drop_old=drop_old)
    kept = app.migration.split is not None and not drop_old
    out.print("Finished; the old table stays, under another name." if kept else "Finished.")


def _what(shape: str, *, drop_old: bool) -> str:
    if shape != "split":
        return "the old vectors are dropped"
    return "the old table is dropped" if drop_old else "the old table stays, and is no longer written to"
