"""No layout of its own: missing vectors are filled in where the others stand, and nothing is switched."""

from __future__ import annotations

from dataclasses import dataclass

from limosa.model.operation import Operation
from limosa.stores.postgres.capture import arm
from limosa.stores.postgres.layouts.parts import disarm
from limosa.stores.postgres.scope import Scope

__all__ = ["FillLayout"]


@dataclass(frozen=True, slots=True)
class FillLayout:
    """The operations of a fill."""

    scope: Scope

    def make_room(self) -> list[Operation]:
        """Capture."""
        return arm(self.scope)

    def build_index(self) -> list[Operation]:
        """None: the index that stands takes the new vectors in."""
        return []

    def switch(self) -> list[Operation]:
        """None."""
        return []

    def clear_away(self) -> list[Operation]:
        """Takes the triggers away."""
        return [disarm(self.scope)]
