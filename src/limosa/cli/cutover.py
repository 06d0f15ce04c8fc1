"""`limosa cutover`: makes the new vectors the application's, once a person agrees."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from limosa.cli.consent import require_consent
from limosa.cli.opening import opened
from limosa.cli.options import FILE, File, Json, Yes, with_file
from limosa.cli.words import words_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from limosa.app import App
    from limosa.cli.pointing import Change
    from limosa.steps.proven import Proven

__all__ = ["cutover"]


def cutover(file: File = FILE, yes: Yes = False, json: Json = False) -> None:
    """Switch the application over to the new vectors, or tables."""
    from limosa.cli.lines import print_line
    from limosa.cli.pointing import changes
    from limosa.cli.terminal import console
    from limosa.steps.proven import proven

    out = console(stderr=json)
    with opened(file, say=lambda line: print_line(out, "cutover", line)) as app:
        record, found = app.voyage.record(), proven(app.voyage)
        words = words_of(app.migration.shape, searched=app.voyage.store.capabilities.searched)
        already = record.switched or record.step == "finish"
        if not already and record.step == "verify":
            print_line(out, "verified", found.line)
            # What is not verified is refused by the step itself; then there is nothing to ask.
            _ask(app, words.question, yes=yes)
        left = None if already else app.cutover()
        change = changes(app.migration)
        if json:
            _print_facts(app, found, left, change)
    if left is None:
        out.print(f"{words.switched} already.")
        return
    _print_end(out, file, left, change)
    out.print(with_file(f"Done. {words.done}", file), soft_wrap=True)


def _ask(app: App, question: str, *, yes: bool) -> None:
    place, space = app.migration.target.place, app.migration.target.space
    named = {"space": space.title, "place": f"{place.table}.{place.vector}", "table": place.table}
    require_consent(question.format(**named), yes=yes)


def _print_end(out: Console, file: Path, left: int, change: Sequence[Change]) -> None:
    from limosa.cli.amounts import rows
    from limosa.cli.lines import print_line

    if left:
        said = f"{rows(left)} changes were outstanding; limosa run FILE follows them."
        out.print(with_file(said, file), soft_wrap=True)
    if change:
        out.print("Now change where the application looks:")
    for each in change:
        print_line(out, each.kind, each.said or each.line)
        if each.said:
            # As it is typed: unbroken, and without a first column.
            out.print(each.line, soft_wrap=True)


def _print_facts(app: App, found: Proven, left: int | None, change: Sequence[Change]) -> None:
    from dataclasses import asdict

    from limosa.cli.document import print_document

    print_document(
        {
            "migration": app.migration.id,
            "already": left is None,
            "outstanding": left,
            "proved_at": found.at,
            "proofs": [asdict(each) for each in found.proofs],
            "changes": [asdict(each) for each in change],
        }
    )
