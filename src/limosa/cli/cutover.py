"""`limosa cutover`: makes the new vectors the application's, once a person agrees."""

from __future__ import annotations

from limosa.cli.consent import require_consent
from limosa.cli.opening import opened
from limosa.cli.options import FILE, File, Yes, with_file

__all__ = ["cutover"]


def cutover(file: File = FILE, yes: Yes = False) -> None:
    """Switch the application over to the new vectors, or tables."""
    from limosa.cli.amounts import rows
    from limosa.cli.lines import print_line
    from limosa.cli.terminal import console

    out = console()
    with opened(file, say=lambda line: print_line(out, "cutover", line)) as app:
        record = app.voyage.record()
        if record.switched or record.step == "finish":
            new = "The view stands there" if record.shape == "split" else "The new vectors are the application's"
            out.print(f"{new} already.")
            return
        place, space = app.migration.target.place, app.migration.target.space
        if record.step == "verify":
            # What is not verified is refused by the step itself; then there is nothing to ask.
            question = f"Make {space.title} the vectors of {place.table}.{place.vector}?"
            if app.migration.split is not None:
                question = f"Put a view over the new tables in the place of {place.table}?"
            require_consent(question, yes=yes)
        left, split = app.cutover(), app.migration.split is not None
    if left:
        out.print(
            with_file(f"{rows(left)} changes were outstanding; limosa run FILE follows them.", file), soft_wrap=True
        )
    done = "Done. limosa rollback FILE goes back, limosa finish FILE drops the old vectors."
    if split:
        done = "Done. limosa rollback FILE goes back, limosa finish FILE leaves the old table behind."
    out.print(with_file(done, file), soft_wrap=True)
