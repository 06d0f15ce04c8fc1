"""`limosa finish`: drops the old side for good, once a person agrees."""

from __future__ import annotations

from limosa.cli.consent import require_consent
from limosa.cli.opening import opened
from limosa.cli.options import FILE, File, Yes

__all__ = ["finish"]


def finish(file: File = FILE, yes: Yes = False) -> None:
    """Drop the old vectors; there is no way back from it."""
    from limosa.cli.lines import print_line
    from limosa.cli.terminal import console

    out = console()
    with opened(file, say=lambda line: print_line(out, "finish", line)) as app:
        record = app.voyage.record()
        if record.step == "finish":
            out.print("The migration is finished already.")
            return
        if record.switched or record.shape == "fill":
            require_consent(f"Finish {record.name}: the old vectors are dropped, for good?", yes=yes)
        app.finish()
    out.print("Finished.")
