"""Tx: one open transaction, so that a ledger's SQL can run on a store's own connection."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol

from limosa.errors import LimosaError

__all__ = ["Begin", "Dialect", "Tx"]

Dialect = Literal["postgres", "sqlite"]
"""The SQL that a database speaks; the ledger has its statements in each."""


class Tx(Protocol):
    """One open transaction; commits when its context ends, rolls back on an error."""

    @property
    def home(self) -> str:
        """Names the database: two transactions of one home see the same tables."""
        ...

    @property
    def dialect(self) -> Dialect:
        """The SQL that the database speaks."""
        ...

    def execute(self, sql: str, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """The rows that a statement answers; empty for one that answers none. Parameters are ``%(name)s``."""
        ...

    def send(self, sql: str, params: Mapping[str, Any] | None = None, *, otherwise: LimosaError | None = None) -> None:
        """A statement whose answer nobody waits for: it goes to the server along with the next, or with the commit.

        Args:
            otherwise: raised where it answers no row.

        Raises:
            LimosaError: ``otherwise``, or what became of the statement: here, from the next statement that is waited
                for, or instead of the commit; nothing of the transaction stays then.
        """
        ...


class Begin(Protocol):
    """Opens transactions."""

    def __call__(self, *, snapshot: bool = False) -> AbstractContextManager[Tx]:
        """A transaction; with ``snapshot`` it is read-only and sees one instant throughout."""
        ...
