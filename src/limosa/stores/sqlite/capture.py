"""Capture by triggers: every insert, update and delete of the source is noted in the writer's own transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from limosa.model.batch import Key
from limosa.ports.capture import Change
from limosa.ports.tx import Tx
from limosa.stores.sqlite.database import Database
from limosa.stores.sqlite.names import literal, quoted
from limosa.stores.sqlite.scope import Scope

__all__ = ["TriggerCapture", "capture_triggers"]


def capture_triggers(scope: Scope) -> dict[str, str]:
    """Name and statement of each trigger on the source, under the name that it has before the switch.

    A row that changes leaves the targets in the same statement: what stands there is never outrun by its
    source, not for a moment, and whoever reads both sees the row once.
    """
    key, ids = quoted(scope.key.name), literal(scope.id)

    def noted(alias: str) -> str:
        gone = " ".join(
            f"DELETE FROM {quoted(table)} WHERE {key} = {alias}.{key} AND {scope.ours(quoted(table))};"
            for table in scope.targets
        )
        return f"{gone} INSERT INTO limosa_change (migration, key) SELECT {ids}, {scope.key_json(alias)}"

    other = f"NEW.{key} IS NOT OLD.{key}"
    bodies = {
        # INSERT OR REPLACE takes a row away without a delete trigger.
        "insert": f"{noted('NEW')};",
        "delete": f"{noted('OLD')};",
        "update": f"{noted('NEW')}; {noted('OLD')} WHERE {other};",
    }
    names = {event: f"limosa_{scope.id}_{event}" for event in bodies}
    return {
        names[event]: f"CREATE TRIGGER {names[event]} AFTER {event.upper()} ON {quoted(scope.table)} BEGIN {body} END"
        for event, body in bodies.items()
    }


@dataclass(frozen=True, slots=True)
class TriggerCapture:
    """The change table of one migration."""

    database: Database
    scope: Scope

    def take(self, limit: int) -> list[Change]:
        """The oldest changes, in order; they stay until settled."""
        with self.database.begin(snapshot=True) as tx:
            found = tx.raw(
                "SELECT id, key FROM limosa_change WHERE migration = ? ORDER BY id LIMIT ?", self.scope.id, limit
            )
        return [Change(number, tuple(json.loads(key))) for number, key in found]

    def note(self, keys: Sequence[Key], tx: Tx) -> None:
        """Queues keys that must be read again."""
        if keys:
            tx.execute(
                "INSERT INTO limosa_change (migration, key) SELECT %(id)s, k.value FROM json_each(%(keys)s) AS k",
                {"id": self.scope.id, "keys": list(keys)},
            )

    def settle(self, ids: Sequence[int], tx: Tx) -> None:
        """Removes exactly these changes."""
        if ids:
            tx.execute(
                "DELETE FROM limosa_change WHERE id IN (SELECT value FROM json_each(%(ids)s))", {"ids": list(ids)}
            )

    def outstanding(self, tx: Tx) -> int:
        """How many changes wait, as this transaction sees it."""
        found = tx.execute("SELECT count(*) FROM limosa_change WHERE migration = %(id)s", {"id": self.scope.id})
        return int(found[0][0])

    def intact(self) -> str | None:
        """What is wrong with the triggers; None while they stand as they were made, but for the table's name."""
        wanted = capture_triggers(self.scope)
        with self.database.begin(snapshot=True) as tx:
            found = {str(name) for (name,) in tx.raw("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
        missing = sorted(set(wanted) - found)
        return f"Trigger {', '.join(missing)} on {self.scope.table} is missing." if missing else None
