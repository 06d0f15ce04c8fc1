"""Opening a migration for the length of a command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from limosa.app import App
    from limosa.control.wishes import Wishes

__all__ = ["opened", "wishes_of"]


@contextmanager
def opened(
    file: Path, *, say: Callable[[str], None] = lambda line: None, batch_rows: int | None = None
) -> Iterator[App]:
    """The migration of a file; its connections are given back at the end.

    Args:
        say: is told what happens, one line for a person.
        batch_rows: taken instead of what the file says; the migration stays the same one.
    """
    from dataclasses import replace

    from limosa.app import App
    from limosa.cli.arenas import few_arenas
    from limosa.config import load

    few_arenas()
    migration = load(file)
    if batch_rows is not None:
        migration = replace(migration, backfill=replace(migration.backfill, batch_rows=batch_rows))
    app = App(migration, say=say)
    try:
        yield app
    finally:
        app.close()


def wishes_of(app: App) -> Wishes:
    """What can be asked of a migration that is under way, also by a file that was edited since it began.

    Raises:
        Refused: it has not begun, or it is over.
    """
    from limosa.errors import Refused

    record = app.voyage.records.get()
    if record is None or not record.active:
        over = record is not None and record.step == "finish"
        raise Refused(
            f"The migration {app.migration.name!r} {'is finished' if over else 'has not begun, or was rolled back'}.",
            needed="A migration that is under way.",
            do="" if over else "limosa run FILE begins.",
        )
    return app.voyage.wishes
