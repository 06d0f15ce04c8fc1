"""A SQLite file as the home of a migration's ledger, where the place that points go to can keep none."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from limosa.errors import Transient
from limosa.model.batch import Key
from limosa.model.strain import Limits
from limosa.ports.store import Capabilities
from limosa.ports.tx import Begin, Tx
from limosa.stores.sqlite.changes import ChangeTable
from limosa.stores.sqlite.database import Database
from limosa.stores.sqlite.landed import Landed
from limosa.stores.sqlite.life import Life
from limosa.stores.sqlite.names import literal
from limosa.stores.sqlite.runner import Runner
from limosa.stores.sqlite.stock import open_stock

__all__ = ["SqliteHome", "SqliteNotes", "open_home"]

CAPABILITIES = Capabilities(
    transactions=False,
    capture=False,
    rename=False,
    index_kinds=(),
    max_index_dimensions={},
    # Twice the longest answer of a store that is waited for; a process that dies is seen at once by its locked file.
    lease_s=60,
)


@dataclass(frozen=True, slots=True)
class SqliteNotes:
    """What the ledger in SQLite knows of keys."""

    id: str

    def outcomes(self, keys: Sequence[Key], tx: Tx) -> Mapping[Key, str]:
        """``pending``, ``dead`` or ``skipped`` by key."""
        found = tx.execute(
            "SELECT k.value, CASE WHEN EXISTS (SELECT 1 FROM limosa_change AS g WHERE g.migration = %(id)s"
            " AND g.key = k.value) THEN 'pending' ELSE x.kind END FROM json_each(%(keys)s) AS k"
            " LEFT JOIN limosa_exception AS x ON x.migration = %(id)s AND x.key = k.value",
            {"id": self.id, "keys": list(keys)},
        )
        return {tuple(json.loads(key)): str(kind) for key, kind in found if kind is not None}

    def traces(self, keys: Sequence[Key], tx: Tx) -> Mapping[Key, str]:
        """The traces of those that are dead or skipped."""
        found = tx.execute(
            "SELECT k.value, t.trace FROM json_each(%(keys)s) AS k"
            " JOIN limosa_exception AS x ON x.migration = %(id)s AND x.key = k.value"
            " JOIN limosa_trace AS t ON t.migration = %(id)s AND t.key = k.value",
            {"id": self.id, "keys": list(keys)},
        )
        return {tuple(json.loads(key)): str(trace) for key, trace in found}

    def unread(self, tx: Tx) -> list[tuple[Key | None, Key]]:
        """Ranges that no worker has read yet."""
        found = tx.execute(
            "SELECT cursor, upper FROM limosa_chunk WHERE migration = %(id)s AND follows = 0 AND state = 'open'"
            " UNION ALL SELECT frontier, top FROM limosa_migration WHERE id = %(id)s AND top IS NOT NULL"
            " AND frontier IS NOT top",
            {"id": self.id},
        )
        return [
            (tuple(json.loads(after)) if after is not None else None, tuple(json.loads(upper)))
            for after, upper in found
        ]


@dataclass(slots=True)
class SqliteHome:
    """One file, opened for one migration."""

    database: Database
    id: str
    capabilities: Capabilities = CAPABILITIES
    life: Life = field(init=False)

    def __post_init__(self) -> None:
        self.life = Life(self.database, self.id)

    @property
    def landed(self) -> Landed:
        """The list of what landed in a collection."""
        return Landed(self.database.begin)

    @property
    def switched(self) -> str:
        """A query: does the application read the new side?"""
        return f"SELECT coalesce((SELECT epoch % 2 FROM limosa_migration WHERE id = {literal(self.id)}), 0)"

    def begun(self, operation: str) -> bool:
        """Whether an operation was done, or begun."""
        with self.database.begin(snapshot=True) as tx:
            if not tx.raw("SELECT 1 FROM sqlite_master WHERE name = 'limosa_operation'"):
                return False
            sql = "SELECT 1 FROM limosa_operation WHERE migration = ? AND id = ? AND state IN ('intended', 'done')"
            return bool(tx.raw(sql, self.id, operation))

    @property
    def begin(self) -> Begin:
        """Opens transactions."""
        return self.database.begin

    @property
    def changes(self) -> ChangeTable:
        """The change table."""
        return ChangeTable(self.database, self.id)

    @property
    def noted(self) -> SqliteNotes:
        """What the ledger knows."""
        return SqliteNotes(self.id)

    @property
    def runner(self) -> Runner:
        """Carries out operations."""
        return Runner(self.database, self.life)

    def strain(self, limits: Limits) -> str:
        """Empty: the file is limosa's own."""
        return ""

    def alive(self) -> int:
        """Registers this process as a worker; the number stays taken until the process ends."""
        return self.life.alive()

    def close(self) -> None:
        """Gives every connection back; safe to call again."""
        with suppress(OSError):
            self.life.close()
        self.database.close()


def open_home(file: Path, migration: str) -> SqliteHome:
    """The file, made where it is not there, as the home of a migration's ledger."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    engine = open_stock(file)
    with closing(engine.connect(write=True)) as connection, suppress(Transient):
        # Whoever reads both stores in one snapshot of the ledger would hold every commit up.
        connection.execute("PRAGMA journal_mode = WAL")
    return SqliteHome(Database(engine), migration)
