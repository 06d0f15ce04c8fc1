"""limosa moves a live system's embeddings to another model, size, layout or store, and proves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from limosa.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from limosa.app import App

__all__ = ["__version__", "ensure", "open"]


def open(source: Path | str | Mapping[str, object]) -> App:
    """The migration of a file or mapping; connects when the first verb needs it."""
    from limosa.app import open_app

    return open_app(source)


def ensure(source: Path | str | Mapping[str, object], *, say: Callable[[str], None] = print) -> bool:
    """Whether the new layout is the application's; where it is not, does what the file's ``on_start`` says.

    For the start of a program: cheap where there is nothing to do, safe when many processes start at once.

    Args:
        say: is told what happens, one line for a person.

    Raises:
        LimosaError: by ``on_start = "refuse"``, or where the migration cannot be carried out.
    """
    from limosa.start import ensure as ensured

    return ensured(source, say=say)
