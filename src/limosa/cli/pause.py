"""`limosa pause`: lets every run of a migration wait, from any terminal."""

from __future__ import annotations

from typing import Annotated

import typer

from limosa.cli.opening import opened
from limosa.cli.options import FILE, File, with_file

__all__ = ["pause"]

Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, which status and run then tell.")]


def pause(file: File = FILE, why: Why = "") -> None:
    """Let every run wait before its next batch, until resume."""
    from limosa.cli.terminal import console

    with opened(file) as app:
        app.pause(why)
    said = "Paused. Runs on every machine finish the batches in flight and then wait. limosa resume FILE goes on."
    console().print(with_file(said, file), soft_wrap=True)
