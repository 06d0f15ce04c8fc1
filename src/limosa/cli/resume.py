"""`limosa resume`: lets a paused migration go on."""

from __future__ import annotations

from limosa.cli.opening import opened
from limosa.cli.options import FILE, File, with_file

__all__ = ["resume"]


def resume(file: File = FILE) -> None:
    """Let a paused migration go on."""
    from limosa.cli.terminal import console

    with opened(file) as app:
        was_paused = app.resume()
    said = (
        "Resumed. Runs that wait go on; where none waits, limosa run FILE does." if was_paused else "It is not paused."
    )
    console().print(with_file(said, file), soft_wrap=True)
