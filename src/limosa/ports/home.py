"""Home: the database in which a migration between two stores remembers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from limosa.model.batch import Key
from limosa.model.operation import Operation
from limosa.model.strain import Limits
from limosa.ports.capture import Change
from limosa.ports.store import Capabilities, Runner
from limosa.ports.tx import Begin, Tx

__all__ = ["Changes", "Home", "Landed", "Noted"]


class Changes(Protocol):
    """Keys that must be read again; append-only, settled by id."""

    def take(self, limit: int) -> list[Change]:
        """The oldest, in order; they stay until settled."""
        ...

    def note(self, keys: Sequence[Key], tx: Tx) -> None:
        """Queues keys."""
        ...

    def settle(self, ids: Sequence[int], tx: Tx) -> None:
        """Removes exactly these."""
        ...

    def outstanding(self, tx: Tx) -> int:
        """How many wait, as this transaction sees it."""
        ...


class Noted(Protocol):
    """What the ledger knows of keys, for a store that cannot join it."""

    def outcomes(self, keys: Sequence[Key], tx: Tx) -> Mapping[Key, str]:
        """``pending`` where a change waits, else ``dead`` or ``skipped`` where it is listed so; others are left out."""
        ...

    def traces(self, keys: Sequence[Key], tx: Tx) -> Mapping[Key, str]:
        """What keys that are listed as dead or skipped were like when they were tried; others are left out."""
        ...

    def unread(self, tx: Tx) -> list[tuple[Key | None, Key]]:
        """Ranges (after, upper] that no worker has read yet; None for the beginning."""
        ...


class Landed(Protocol):
    """A list of what landed in a place that remembers nothing itself: keys, and the ids that the points have there."""

    @property
    def begin(self) -> Begin:
        """Opens transactions of the database in which the list is."""
        ...

    def operations(self, title: str) -> list[Operation]:
        """Makes the list, and drops it at the end.

        Args:
            title: of the place where the points land.
        """
        ...

    def ids(self, keys: Sequence[Key], tx: Tx) -> Mapping[Key, Key]:
        """The ids of these points; those that are not listed are left out."""
        ...

    def keys(self, ids: Sequence[Key], tx: Tx) -> Mapping[Key, Key]:
        """The keys of the points with these ids; those that are not listed are left out."""
        ...

    def behind(self, after: Key | None, limit: int, tx: Tx) -> list[Key]:
        """Keys behind one, in an order of the list's own; fewer than ``limit`` at the end."""
        ...

    def note(self, ids: Mapping[Key, Key], tx: Tx) -> None:
        """Lists points by key, each under this id and no other."""
        ...

    def forget(self, keys: Sequence[Key], tx: Tx) -> None:
        """Takes points off the list; those that are not on it are left out."""
        ...


class Home(Protocol):
    """One database, opened for one migration."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    @property
    def begin(self) -> Begin:
        """Opens transactions."""
        ...

    @property
    def changes(self) -> Changes:
        """The change table."""
        ...

    @property
    def noted(self) -> Noted:
        """What the ledger knows."""
        ...

    @property
    def runner(self) -> Runner:
        """Carries out operations."""
        ...

    def strain(self, limits: Limits) -> str:
        """Why a run has to wait for the database now; empty where it need not."""
        ...

    def alive(self) -> int:
        """Registers this process as a worker; the number stays taken until the process ends."""
        ...

    def close(self) -> None:
        """Gives every connection back; safe to call again."""
        ...
