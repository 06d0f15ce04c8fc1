"""`limosa rollback`: goes back to how it was before the migration."""

from __future__ import annotations

from limosa.cli.consent import require_consent
from limosa.cli.opening import opened
from limosa.cli.options import FILE, File, Yes

__all__ = ["rollback"]


def rollback(file: File = FILE, yes: Yes = False) -> None:
    """Go back, from any point before finish."""
    from limosa.cli.amounts import rows
    from limosa.cli.lines import print_line
    from limosa.cli.terminal import console

    out = console()
    with opened(file, say=lambda line: print_line(out, "rollback", line)) as app:
        record = app.voyage.record()
        if record.step != "finish":
            what = "switch back to the old vectors, and drop" if record.switched else "drop"
            require_consent(f"Roll {record.name} back: {what} what was made of {record.step}?", yes=yes)
        left = app.rollback()
    if left:
        out.print(f"{rows(len(left))} rows are without an old vector:")
        for key, reason in left:
            print_line(out, "/".join(key), reason, width=max(10, len("/".join(key)) + 2))
    out.print("Rolled back.")
