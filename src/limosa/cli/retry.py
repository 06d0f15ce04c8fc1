"""`limosa retry`: queues dead rows again."""

from __future__ import annotations

from typing import Annotated

import typer

from limosa.cli.opening import opened
from limosa.cli.options import FILE, File, with_file
from limosa.errors import Refused

__all__ = ["retry"]

Reason = Annotated[
    str | None, typer.Option("--reason", metavar="TEXT", help="Only rows with this reason, or its beginning or a part.")
]
Keys = Annotated[
    list[str] | None, typer.Option("--key", metavar="KEY", help="Only this row; may be given several times.")
]


def retry(file: File = FILE, reason: Reason = None, key: Keys = None) -> None:
    """Queue dead rows again for the next run."""
    from limosa.cli.amounts import rows
    from limosa.cli.terminal import console

    if reason is not None and key:
        raise Refused("A reason and a key are given.", needed="One of --reason and --key.")
    with opened(file) as app:
        count = app.retry(reason=reason, keys=key or ())
    what = "Rows" if reason is not None or key else "Dead rows"
    said = f"{what} queued: {rows(count)}. limosa run FILE tries them again." if count else "No row is dead."
    console().print(with_file(said, file), soft_wrap=True)
