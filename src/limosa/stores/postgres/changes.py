"""The change table of a migration: keys that must be read again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from limosa.model.batch import Key
from limosa.ports.capture import Change
from limosa.ports.tx import Tx
from limosa.stores.postgres.database import Database

__all__ = ["ChangeTable"]


@dataclass(frozen=True, slots=True)
class ChangeTable:
    """Append-only; settled by id."""

    database: Database
    id: str

    def take(self, limit: int) -> list[Change]:
        """The oldest changes, in order; they stay until settled."""
        with self.database.autocommit() as tx:
            found = tx.execute(
                "SELECT id, key FROM limosa.change WHERE migration = %(id)s ORDER BY id LIMIT %(limit)s",
                {"id": self.id, "limit": limit},
            )
        return [Change(number, tuple(key)) for number, key in found]

    def note(self, keys: Sequence[Key], tx: Tx) -> None:
        """Queues keys that must be read again."""
        for key in keys:
            tx.send(
                "INSERT INTO limosa.change (migration, key) VALUES (%(id)s, %(key)s::text[])",
                {"id": self.id, "key": list(key)},
            )

    def settle(self, ids: Sequence[int], tx: Tx) -> None:
        """Removes exactly these changes: a watermark would skip what commits late."""
        if ids:
            tx.send("DELETE FROM limosa.change WHERE id = ANY(%(ids)s)", {"ids": list(ids)})

    def outstanding(self, tx: Tx) -> int:
        """How many changes wait, as this transaction sees it."""
        found = tx.execute("SELECT count(*) FROM limosa.change WHERE migration = %(id)s", {"id": self.id})
        return int(found[0][0])
