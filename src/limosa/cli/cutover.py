"""`limosa cutover`: makes the new vectors the application's, once a person agrees."""

from __future__ import annotations

from limosa.cli.consent import require_consent
from limosa.cli.opening import opened
from limosa.cli.options import FILE, File, Yes, with_file
from limosa.cli.words import line_to_change, words_of

__all__ = ["cutover"]


def cutover(file: File = FILE, yes: Yes = False) -> None:
    """Switch the application over to the new vectors, or tables."""
    from limosa.cli.amounts import rows
    from limosa.cli.lines import print_line
    from limosa.cli.terminal import console

    out = console()
    with opened(file, say=lambda line: print_line(out, "cutover", line)) as app:
        record = app.voyage.record()
        words = words_of(app.migration.shape, searched=app.voyage.store.capabilities.searched)
        if record.switched or record.step == "finish":
            out.print(f"{words.switched} already.")
            return
        place, space = app.migration.target.place, app.migration.target.space
        if record.step == "verify":
            # What is not verified is refused by the step itself; then there is nothing to ask.
            named = {"space": space.title, "place": f"{place.table}.{place.vector}", "table": place.table}
            require_consent(words.question.format(**named), yes=yes)
        left, change = app.cutover(), line_to_change(app.migration)
    if left:
        out.print(
            with_file(f"{rows(left)} changes were outstanding; limosa run FILE follows them.", file), soft_wrap=True
        )
    if change:
        out.print(f"Now change where the application looks: {change}", soft_wrap=True)
    out.print(with_file(f"Done. {words.done}", file), soft_wrap=True)
