"""Opening a migration for the length of a command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from limosa.app import App

__all__ = ["opened"]


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
    from limosa.config import load

    migration = load(file)
    if batch_rows is not None:
        migration = replace(migration, backfill=replace(migration.backfill, batch_rows=batch_rows))
    app = App(migration, say=say)
    try:
        yield app
    finally:
        app.close()
