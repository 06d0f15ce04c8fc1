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
    from limosa.app import open_app
    from limosa.cli.process import few_arenas, seldom_collected

    few_arenas()
    with open_app(file, say=say, batch_rows=batch_rows) as app:
        seldom_collected()
        yield app
