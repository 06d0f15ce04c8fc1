"""The ledger's reporting half: counts, exceptions, events, for status and verify."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from limosa.control.schema import as_key, at, run
from limosa.model.batch import Key
from limosa.ports.tx import Begin, Tx

__all__ = ["Exceptions", "Reports", "Tally"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts over all chunks.

    Attributes:
        asked: texts that were paid for.
        workers: chunks that somebody works on now, the change table among them.
        processes: processes of limosa that work in this database now.
        database_bytes: size of the database; None where it would cost too much to say.
    """

    done: int
    skipped: int
    dead: int
    asked: int
    tokens: int
    cost_usd: float
    chunks_done: int
    chunks_open: int
    workers: int
    processes: int
    changes: int
    database_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Exceptions:
    """Keys of one kind and reason: how many, and at most three examples."""

    kind: str
    reason: str
    count: int
    examples: tuple[Key, ...]


class Reports:
    """What can be told of one migration.

    Args:
        begin: opens transactions where the ledger lies.
        migration: the migration's id.
    """

    def __init__(self, begin: Begin, migration: str) -> None:
        self.begin = begin
        self.id = migration

    def rival(self, place: str) -> str | None:
        """The name of another migration that works on a place; None where there is none."""
        with self.begin(snapshot=True) as tx:
            if not self._run(tx, "exists")[0][0]:
                return None
            found = self._run(tx, "holder", place=place)
        return next((f"{name} ({number})" for number, name in found if number != self.id), None)

    def edges(self) -> list[Key]:
        """Upper edges of the chunks that were cut until now, in key order."""
        with self.begin(snapshot=True) as tx:
            return [as_key(upper) or () for _, upper, _, _ in run(tx, "chunks", "ranges", {"migration": self.id})]

    def chunks(self) -> dict[int, tuple[Key | None, Key]]:
        """Number of every chunk, with its lower edge (exclusive) and its upper one."""
        with self.begin(snapshot=True) as tx:
            found = run(tx, "chunks", "numbers", {"migration": self.id})
        return {int(number): (as_key(lower), as_key(upper) or ()) for number, lower, upper in found}

    def events(self, limit: int = 20) -> list[tuple[datetime, str, str]]:
        """The newest events first: time, kind, detail."""
        with self.begin(snapshot=True) as tx:
            return [(at(when), kind, detail) for when, kind, detail in self._run(tx, "events", limit=limit)]

    def switched_at(self) -> datetime | None:
        """When the switch was made that holds now; None where none does, or nobody noted it."""
        with self.begin(snapshot=True) as tx:
            found = self._run(tx, "switched_at")
        return at(found[0][0]) if found else None

    def tally(self) -> Tally:
        """Counts over all chunks, and the changes that are outstanding."""
        with self.begin(snapshot=True) as tx:
            row = self._run(tx, "tally")[0]
            changes = self._run(tx, "changes_outstanding")[0][0]
            size = self._run(tx, "size")[0][0]
        names = (
            "done",
            "skipped",
            "dead",
            "asked",
            "tokens",
            "cost_usd",
            "chunks_done",
            "chunks_open",
            "workers",
            "processes",
        )
        values: dict[str, Any] = dict(zip(names, (int(value) for value in row), strict=True))
        return Tally(**{**values, "cost_usd": float(row[5])}, changes=changes, database_bytes=size)

    def spent_usd(self) -> float:
        """What the migration has cost until now, by all workers; nothing before it has begun."""
        with self.begin(snapshot=True) as tx:
            if not self._run(tx, "exists")[0][0]:
                return 0.0
            return float(run(tx, "chunks", "spent", {"migration": self.id})[0][1])

    def exceptions(self) -> list[Exceptions]:
        """Skipped and dead keys by reason."""
        with self.begin(snapshot=True) as tx:
            rows = self._run(tx, "exceptions")
        return [Exceptions(kind, why, count, _keys(keys)) for kind, why, count, keys in rows]

    def marks(self) -> list[Exceptions]:
        """Rows whose text was not embedded as it is, by what was done with it."""
        with self.begin(snapshot=True) as tx:
            rows = self._run(tx, "marks")
        return [Exceptions("marked", mark, count, _keys(keys)) for mark, count, keys in rows]

    def versions(self) -> dict[str, str]:
        """The database that holds the ledger, and its extension for vectors, with their versions."""
        with self.begin(snapshot=True) as tx:
            return dict(self._run(tx, "versions"))

    def _run(self, tx: Tx, name: str, **more: object) -> list[tuple[Any, ...]]:
        return run(tx, "migrations", name, {"id": self.id, **more})


def _keys(value: Any) -> tuple[Key, ...]:
    """Keys as the database keeps a list of them: an array of arrays, or JSON."""
    return tuple(as_key(key) or () for key in (json.loads(value) if isinstance(value, str) else value))
