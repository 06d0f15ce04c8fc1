"""Script: what the ledger must be told when operations are carried out by hand, as statements."""

from __future__ import annotations

from typing import Literal, Protocol

from limosa.model.operation import Operation, Step

__all__ = ["LedgerScript", "State"]

State = Literal["done", "undone"]


class LedgerScript(Protocol):
    """The ledger's own statements for scripts; each is complete but for its closing semicolon.

    A transaction of a script reads: ``opening`` or ``require``; at a switch ``switch``, the lock and
    ``settled``; then operations and their ``note``; and ``closing`` where the migration ends with it.
    """

    def opening(self) -> tuple[str, ...]:
        """Makes the ledger where it is missing and claims the place for the plan."""
        ...

    def require(self, step: Step, *, undo: bool) -> tuple[str, ...]:
        """Fails unless the migration stands where this step may be done, or undone."""
        ...

    def switch(self, *, undo: bool) -> tuple[str, ...]:
        """Raises the epoch and takes every worker's fence away; before the table is locked."""
        ...

    def settled(self, *, undo: bool) -> tuple[str, ...]:
        """Fails while changes are outstanding; with ``undo`` also where rows changed since the switch."""
        ...

    def note(self, operation: Operation, position: int, state: State) -> str:
        """Notes an operation's state."""
        ...

    def closing(self, step: Step) -> tuple[str, ...]:
        """Gives the place up: after the last operation of finish, or after expand was undone (``plan``)."""
        ...
