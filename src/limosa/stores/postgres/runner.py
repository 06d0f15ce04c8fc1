"""Carrying out operations: DDL under short lock waits, index builds outside transactions."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import errors as pg

from limosa.errors import Refused, Transient
from limosa.model.operation import Operation
from limosa.ports.store import Progress, Turn
from limosa.ports.tx import Tx
from limosa.stores.postgres.backup.making import take_backup
from limosa.stores.postgres.catalogue import Server
from limosa.stores.postgres.database import Database, PostgresTx, translated
from limosa.stores.postgres.footing import Footing

__all__ = ["LOCK_WAIT_MS", "PATIENCE_S", "Runner"]

LOCK_WAIT_MS = 50
"""Longest wait for a lock: everybody who comes later queues behind it, so wait and hold stay under 100 ms."""

PATIENCE_S = 120
"""How long a lock is tried for before the step gives up; every try is short and the pauses grow to a second."""

DEADLOCK_MS = 10
"""Below the lock wait, so that an autovacuum that stands in the way is cancelled instead of winning."""


@dataclass(frozen=True, slots=True)
class Runner:
    """Carries out the operations of one migration."""

    database: Database
    scope: Footing
    server: Server

    def apply(
        self, operation: Operation, note: Callable[[Tx], None], *, undo: bool = False, again: bool = False
    ) -> None:
        """Does or undoes one operation and notes it, in one transaction where the operation allows.

        Args:
            again: an attempt that died was noted: what it left half made goes first.

        Raises:
            Refused: what the operation makes is there already, half made, and by somebody else.
            Transient: the lock was not to be had; nothing was changed.
        """
        statements = operation.undo if undo else operation.do
        if operation.each:
            for statement in statements[:-1]:
                self.locked((statement,), _nothing)
            self.locked(statements[-1:], note)
            return
        if operation.transactional:
            self.locked(statements, note)
            return
        if operation.file and not undo:
            take_backup(self.database, self.scope, operation.file)
        self._outside(operation, statements, clear=operation.clear if again else (), undo=undo)
        with self.database.begin() as tx:
            note(tx)

    def locked(
        self,
        statements: tuple[str, ...],
        note: Callable[[Tx], None],
        *,
        first: Callable[[Tx], None] | None = None,
        proceed: Callable[[Tx], bool] | None = None,
    ) -> bool:
        """Runs statements in one transaction under short lock waits, tried again with growing pauses.

        Args:
            first: runs before any statement.
            proceed: asked after the first statement, the lock; False ends it without a change.

        Returns:
            Whether the transaction was committed.
        """
        started = time.monotonic()
        pause_s = 0.02
        while True:
            try:
                return self._attempt(statements, note, first, proceed)
            except (pg.LockNotAvailable, pg.DeadlockDetected) as error:
                if time.monotonic() - started > PATIENCE_S:
                    raise Transient(
                        f"The lock on {self.scope.relation} was not to be had within {PATIENCE_S} s.",
                        needed="A moment without a long transaction on the table.",
                        do="Look for one in pg_stat_activity; then repeat the command.",
                    ) from error
            except psycopg.Error as error:
                raise translated(error) from error
            # Growing pauses, with jitter so that two processes do not meet again and again.
            time.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - not a secret
            pause_s = min(1.0, pause_s * 1.5)

    def _attempt(
        self,
        statements: tuple[str, ...],
        note: Callable[[Tx], None],
        first: Callable[[Tx], None] | None,
        proceed: Callable[[Tx], bool] | None,
    ) -> bool:
        connection = self.database.connect()
        try:
            with connection.transaction():
                tx = PostgresTx(connection, self.database.title)
                tx.raw(f"SET LOCAL lock_timeout = '{LOCK_WAIT_MS}ms'")
                if self.server.may_set_deadlock_timeout:
                    tx.raw(f"SET LOCAL deadlock_timeout = '{DEADLOCK_MS}ms'")
                if first is not None:
                    first(tx)
                for number, statement in enumerate(statements):
                    tx.raw(statement)
                    if number == 0 and proceed is not None and not proceed(tx):
                        raise psycopg.Rollback
                note(tx)
                return True
            return False
        finally:
            connection.close()

    def _outside(
        self, operation: Operation, statements: tuple[str, ...], *, clear: tuple[str, ...], undo: bool
    ) -> None:
        connection = self.database.connect()
        try:
            tx = PostgresTx(connection, self.database.title)
            if undo and operation.broken and not self._made(operation, tx):
                return
            if not undo:
                while operation.busy and self._asks(operation.busy, tx):
                    time.sleep(0.5)
                if self._asks(operation.probe, tx):
                    return
                for statement in clear if self._made(operation, tx) else ():
                    tx.raw(statement)
            for name, value in operation.settings:
                tx.execute(
                    "SELECT set_config(%(name)s, %(value)s, false)",
                    {"name": name, "value": self._spared(name, value, tx)},
                )
            for statement in statements:
                tx.raw(statement)
        except pg.DuplicateTable as error:
            raise Refused(
                f"Postgres says: {error.diag.message_primary}. limosa did not make it.",
                needed="This name, for as long as the migration lives.",
                do="Drop it, or rename it; then repeat the command.",
            ) from error
        except psycopg.Error as error:
            raise translated(error) from error
        finally:
            connection.close()

    def _made(self, operation: Operation, tx: PostgresTx) -> bool:
        """What the operation makes is there, whole or half; under its name may stand what somebody else made."""
        return self._asks(operation.probe, tx) or not operation.broken or self._asks(operation.broken, tx)

    def _spared(self, name: str, value: str, tx: PostgresTx) -> str:
        """Memory for a build: what it wants, at most a quarter of what the server says it has for caching."""
        if name != "maintenance_work_mem":
            return value
        found = tx.raw(
            "SELECT pg_size_bytes(current_setting('effective_cache_size')) / 4, pg_size_bytes($1),"
            " pg_size_bytes(current_setting($2))",
            value,
            name,
        )
        spare, wanted, present = (int(each) for each in found[0])
        return f"{max(present, min(wanted, spare)) // 1024}kB"

    @contextmanager
    def alone(self, what: Turn = "operations") -> Iterator[None]:
        """Keeps every other process from doing the same with this migration meanwhile; waits its turn.

        The lock is asked for again and again: a session that waits for it inside a statement would hold a
        snapshot, and a concurrent index build waits for every snapshot.
        """
        connection = self.database.connect()
        name = {"name": f"limosa.{what}.{self.scope.id}"}
        try:
            tx = PostgresTx(connection, self.database.title)
            while not tx.execute("SELECT pg_try_advisory_lock(hashtext(%(name)s), 0)", name)[0][0]:
                time.sleep(0.2)
            yield
        except psycopg.Error as error:
            raise translated(error) from error
        finally:
            connection.close()

    def stands(self, operation: Operation) -> bool:
        """Whether the operation's change is there."""
        with self.database.begin() as tx:
            return self._asks(operation.probe, tx)

    def _asks(self, query: str, tx: PostgresTx) -> bool:
        found = tx.raw(query)
        return bool(found and found[0][0])

    def progress(self) -> Progress | None:
        """How far an index build on the table is; None while none runs."""
        with self.database.begin() as tx:
            found = tx.raw(
                # pgvector counts tuples but does not say how many there will be.
                "SELECT phase, CASE WHEN tuples_done > 0 THEN tuples_done ELSE blocks_done END,"
                " CASE WHEN tuples_done > 0 THEN greatest(tuples_total, (SELECT reltuples::bigint FROM pg_class"
                " WHERE oid = relid)) ELSE blocks_total END FROM pg_stat_progress_create_index WHERE relid = $1"
                " OR relid IN (SELECT relid FROM pg_partition_tree($1::oid::regclass))",
                self.scope.table_oid,
            )
        return Progress(found[0][0], int(found[0][1]), int(found[0][2])) if found else None


def _nothing(tx: Tx) -> None:
    """Nothing is noted of a part."""
