"""Capture: what the application changes while limosa works is written down by the store itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from limosa.model.batch import Key
from limosa.ports.carried import Looked
from limosa.ports.tx import Tx

__all__ = ["Capture", "Change"]


@dataclass(frozen=True, slots=True)
class Change:
    """One captured change; several of one key are several changes."""

    id: int
    key: Key


class Capture(Protocol):
    """The change table of one migration; append-only, settled by id."""

    def take(self, limit: int) -> list[Change]:
        """The oldest changes, in order; they stay until settled."""
        ...

    def note(self, keys: Sequence[Key], tx: Tx) -> None:
        """Queues keys that must be read again."""
        ...

    def settle(self, ids: Sequence[int], tx: Tx) -> None:
        """Removes exactly these changes."""
        ...

    def outstanding(self, tx: Tx) -> int:
        """How many changes wait, as this transaction sees it."""
        ...

    def unseen(self, *, switched: bool, emptied: bool = False) -> Iterator[Looked]:
        """Rows that changed and that nothing has noted, page by page; empty where triggers note everything.

        The pages together compare every row, and the last one tells what the target holds.

        Args:
            switched: what changes on the new side is looked for.
            emptied: most of what stood on the new side may be gone.

        Raises:
            Refused: most of it is gone, and nobody said that it may be: it may be another place.
        """
        ...

    def intact(self) -> str | None:
        """What is wrong with the triggers; None while they stand, enabled."""
        ...
