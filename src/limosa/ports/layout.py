"""Layout: how new vectors lie beside old ones, as the operations from expand to finish."""

from __future__ import annotations

from typing import Protocol

from limosa.model.operation import Operation

__all__ = ["Layout"]


class Layout(Protocol):
    """The operations of a migration, made once from the facts at plan and then locked."""

    def make_room(self) -> list[Operation]:
        """The step expand: room for the new vectors, and capture."""
        ...

    def build_index(self) -> list[Operation]:
        """The step index."""
        ...

    def switch(self) -> list[Operation]:
        """The step cutover; the last operation is ``switch``. Empty where nothing is switched."""
        ...

    def clear_away(self) -> list[Operation]:
        """The step finish, which nothing undoes."""
        ...
