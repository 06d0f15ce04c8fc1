"""`limosa retry`: queues dead rows again."""

from __future__ import annotations

from limosa.cli.opening import opened
from limosa.cli.options import FILE, File, with_file

__all__ = ["retry"]


def retry(file: File = FILE) -> None:
    """Queue all dead rows again for the next run."""
    from limosa.cli.amounts import rows
    from limosa.cli.terminal import console

    with opened(file) as app:
        count = app.retry()
    said = (
        with_file(f"Dead rows queued: {rows(count)}. limosa run FILE tries them again.", file)
        if count
        else "No row is dead."
    )
    console().print(said, soft_wrap=True)
