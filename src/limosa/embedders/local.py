"""What all models that run on this machine have in common."""

from __future__ import annotations

from datetime import date

from limosa.embedders.prices import FREE
from limosa.model.space import Space
from limosa.ports.embedder import HERE, Price

__all__ = ["Local"]


class Local:
    """A model on this machine: it costs nothing, is never retired, and no text leaves."""

    def __init__(self, space: Space) -> None:
        self._space = space

    @property
    def space(self) -> Space:
        """The space of its vectors."""
        return self._space

    @property
    def price(self) -> Price:
        """Nothing."""
        return FREE

    @property
    def retired(self) -> date | None:
        """Never."""
        return None

    @property
    def destination(self) -> str:
        """``this machine``."""
        return HERE
