"""Capture by triggers: every insert, update and delete of the source is noted in the writer's own transaction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from limosa.ports.carried import Looked
from limosa.stores.sqlite.changes import ChangeTable
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
class TriggerCapture(ChangeTable):
    """The change table of one migration, which triggers fill."""

    scope: Scope

    def unseen(self, *, switched: bool, emptied: bool = False) -> Iterator[Looked]:
        """Empty: triggers note everything."""
        return iter(())

    def intact(self) -> str | None:
        """What is wrong with the triggers; None while they stand as they were made, but for the table's name."""
        wanted = capture_triggers(self.scope)
        with self.database.begin(snapshot=True) as tx:
            found = {str(name) for (name,) in tx.raw("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
        missing = sorted(set(wanted) - found)
        return f"Trigger {', '.join(missing)} on {self.scope.table} is missing." if missing else None
