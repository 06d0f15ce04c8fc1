"""The ledger's reporting half: counts, exceptions, events and dead letters, for status and verify."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from limosa.model.batch import Key
from limosa.ports.named import named_sql
from limosa.ports.tx import Begin

__all__ = ["DeadLetter", "Exceptions", "Reports", "Tally"]

_SQL = named_sql("limosa.control", "migrations")
_CHUNKS = named_sql("limosa.control", "chunks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts over all chunks.

    Attributes:
        workers: chunks that somebody works on now, the change table among them.
        processes: processes of limosa that work in this database now.
    """

    done: int
    skipped: int
    dead: int
    tokens: int
    cost_usd: float
    chunks_done: int
    chunks_open: int
    workers: int
    processes: int
    changes: int


@dataclass(frozen=True, slots=True)
class Exceptions:
    """Keys of one kind and reason: how many, and at most three examples."""

    kind: str
    reason: str
    count: int
    examples: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One key that could not be embedded or stored."""

    key: Key
    reason: str
    at: datetime


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
        with self.begin() as tx:
            if not tx.execute(_SQL["exists"])[0][0]:
                return None
            found = tx.execute(_SQL["holder"], {"place": place})
        return next((f"{name} ({number})" for number, name in found if number != self.id), None)

    def edges(self) -> list[Key]:
        """Upper edges of the chunks that were cut until now, in key order."""
        with self.begin() as tx:
            return [tuple(upper) for _, upper, _, _ in tx.execute(_CHUNKS["ranges"], {"migration": self.id})]

    def events(self, limit: int = 20) -> list[tuple[datetime, str, str]]:
        """The newest events first: time, kind, detail."""
        with self.begin() as tx:
            return [(at, kind, detail) for at, kind, detail in tx.execute(_SQL["events"], self._ids(limit=limit))]

    def tally(self) -> Tally:
        """Counts over all chunks, and the changes that are outstanding."""
        with self.begin() as tx:
            row = tx.execute(_SQL["tally"], self._ids())[0]
            changes = tx.execute(_SQL["changes_outstanding"], self._ids())[0][0]
        names = ("done", "skipped", "dead", "tokens", "cost_usd", "chunks_done", "chunks_open", "workers", "processes")
        values: dict[str, Any] = dict(zip(names, (int(value) for value in row), strict=True))
        return Tally(**{**values, "cost_usd": float(row[4])}, changes=changes)

    def exceptions(self) -> list[Exceptions]:
        """Skipped and dead keys by reason."""
        with self.begin() as tx:
            rows = tx.execute(_SQL["exceptions"], self._ids())
        return [Exceptions(kind, why, count, tuple(tuple(k) for k in keys)) for kind, why, count, keys in rows]

    def dead_letters(self) -> list[DeadLetter]:
        """Every key that could not be embedded or stored."""
        with self.begin() as tx:
            return [DeadLetter(tuple(key), why, at) for key, why, at in tx.execute(_SQL["dead_letters"], self._ids())]

    def retry(self) -> int:
        """Queues all dead letters again; how many there were."""
        with self.begin() as tx:
            return len(tx.execute(_SQL["retry"], self._ids()))

    def _ids(self, **more: object) -> dict[str, object]:
        return {"id": self.id, **more}
