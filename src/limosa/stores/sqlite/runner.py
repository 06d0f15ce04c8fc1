"""Carrying out operations: SQLite changes its schema in transactions, so that nearly all of them are one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from limosa.model.operation import Operation
from limosa.ports.store import Progress, Turn
from limosa.ports.tx import Tx
from limosa.stores.sqlite.backup import take_backup
from limosa.stores.sqlite.database import Database
from limosa.stores.sqlite.life import Life

__all__ = ["Runner"]


@dataclass(frozen=True, slots=True)
class Runner:
    """Carries out the operations of one migration."""

    database: Database
    life: Life

    def apply(
        self, operation: Operation, note: Callable[[Tx], None], *, undo: bool = False, again: bool = False
    ) -> None:
        """Does or undoes one operation and notes it, in one transaction where the operation allows.

        Raises:
            Transient: another writer held the file for too long; nothing was changed.
        """
        statements = operation.undo if undo else operation.do
        if operation.transactional or undo:
            self.locked(statements, note)
            return
        if operation.file:
            take_backup(self.database, operation.file)
        else:
            self._outside(operation)
        with self.database.begin() as tx:
            note(tx)

    def _outside(self, operation: Operation) -> None:
        with self.database.session(write=True) as connection:
            if connection.execute(operation.busy)[0][0]:
                # What a failed build has left goes only with an index that was made over it.
                for statement in (*operation.do, *operation.undo):
                    connection.script(statement)
            for statement in operation.do:
                connection.script(statement)

    def locked(
        self,
        statements: tuple[str, ...],
        note: Callable[[Tx], None],
        *,
        first: Callable[[Tx], None] | None = None,
        proceed: Callable[[Tx], bool] | None = None,
    ) -> bool:
        """Runs statements in one transaction; whoever writes it is the only writer, so ``proceed`` is asked first.

        Returns:
            Whether the transaction was committed.
        """
        with self.database.begin(durable=True) as tx:
            if proceed is not None and not proceed(tx):
                return False
            if first is not None:
                first(tx)
            for statement in statements:
                tx.raw(statement)
            note(tx)
        return True

    def alone(self, what: Turn = "operations") -> AbstractContextManager[None]:
        """Keeps every other process from doing the same with this migration meanwhile; waits its turn."""
        return self.life.turn(what)

    def stands(self, operation: Operation) -> bool:
        """Whether the operation's change is there."""
        with self.database.begin(snapshot=True) as tx:
            return bool(tx.raw(operation.probe)[0][0])

    def progress(self) -> Progress | None:
        """SQLite tells nothing of what it is doing."""
        return None
