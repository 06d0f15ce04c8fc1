"""What limosa asks of an engine: stock SQLite, libSQL in a file, libSQL behind HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from limosa.errors import Transient

__all__ = ["BUSY_S", "Busy", "Connection", "Engine", "Value"]

Value = None | int | float | str | bytes
"""A value as SQLite keeps it: NULL, INTEGER, REAL, TEXT, BLOB."""

BUSY_S = 5.0
"""How long one statement waits for a lock: as long as Python's own sqlite3 does. Longer silences are waited out
by whoever began the transaction."""


class Busy(Transient):
    """Another connection holds the lock that a statement wanted; an open transaction still stands."""


class Connection(Protocol):
    """One connection; used by one thread at a time, not always the same one.

    Every method raises in limosa's words:

    * ``Busy``: locked for longer than ``BUSY_S``; the statement may be repeated, in its transaction too.
    * ``Transient``: disk full, out of memory, the file or server does not answer, a
      stream or transaction was lost. Nothing of an open transaction stands.
    * ``RowRefused``: a constraint does not let a row in.
    * ``Refused``: anything else about the statement: syntax, a missing table, a read-only token.
    """

    def execute(self, sql: str, params: Sequence[Value] = ()) -> list[tuple[Value, ...]]:
        """The rows that one statement answers; ``BEGIN``, ``COMMIT`` and ``ROLLBACK`` are statements too."""
        ...

    def insert(self, head: str, row: str, tail: str, rows: Iterable[Sequence[Value]]) -> None:
        """``head VALUES row, row, ... tail`` for all rows, in as few journeys as the engine needs.

        Args:
            head: for example ``INSERT INTO t (a, b)``, or ``WITH v(a, b) AS (``.
            row: the placeholders of one row, for example ``(?, ?)``.
            tail: what follows the last row; may be empty.
        """
        ...

    def script(self, sql: str) -> None:
        """Statements that must not run inside a transaction, such as the build of a vector index."""
        ...

    def close(self) -> None:
        """Ends the connection; an open transaction is rolled back. Safe to call again."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """One database, and how to reach it.

    Attributes:
        title: names it for a person, without its token.
        path: its file; None for a server.
        native: ``F32_BLOB``, ``vector32`` and ``libsql_vector_idx`` are known.
        connect: opens a connection; ``write=False`` promises that nothing will be changed.
        beside: the same engine for another file, for a backup to be checked.
    """

    title: str
    path: Path | None
    native: bool
    connect: Callable[..., Connection]
    beside: Callable[[Path], Engine]
