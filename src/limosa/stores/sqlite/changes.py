"""The change table of a migration: keys that must be read again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from limosa.model.batch import Key
from limosa.ports.capture import Change
from limosa.ports.tx import Tx
from limosa.stores.sqlite.database import Database

__all__ = ["ChangeTable"]


@dataclass(frozen=True, slots=True)
class ChangeTable:
    """Append-only; settled by id."""

    database: Database
    id: str

    def take(self, limit: int) -> list[Change]:
        """The oldest changes, in order; they stay until settled."""
        with self.database.begin(snapshot=True) as tx:
            found = tx.raw("SELECT id, key FROM limosa_change WHERE migration = ? ORDER BY id LIMIT ?", self.id, limit)
        return [Change(number, tuple(json.loads(key))) for number, key in found]

    def note(self, keys: Sequence[Key], tx: Tx) -> None:
        """Queues keys that must be read again."""
        if keys:
            tx.execute(
                "INSERT INTO limosa_change (migration, key) SELECT %(id)s, k.value FROM json_each(%(keys)s) AS k",
                {"id": self.id, "keys": list(keys)},
            )

    def settle(self, ids: Sequence[int], tx: Tx) -> None:
        """Removes exactly these changes."""
        if ids:
            tx.execute(
                "DELETE FROM limosa_change WHERE id IN (SELECT value FROM json_each(%(ids)s))", {"ids": list(ids)}
            )

    def outstanding(self, tx: Tx) -> int:
        """How many changes wait, as this transaction sees it."""
        found = tx.execute("SELECT count(*) FROM limosa_change WHERE migration = %(id)s", {"id": self.id})
        return int(found[0][0])
