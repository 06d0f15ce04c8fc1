"""Ledger: in which limosa remembers, with every write fenced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from limosa.model.batch import Key, Paid
from limosa.model.chunk import Claim, Outcomes
from limosa.ports.tx import Tx

__all__ = ["Ledger", "Usage"]


class Ledger(Protocol):
    """Hands out chunks and writes down what became of their rows."""

    def claim(self) -> Claim | None:
        """A chunk that nobody works on, leased to this process; None when none is free."""
        ...

    def claim_follow(self) -> Claim | None:
        """The right to follow the change table; None while another process has it."""
        ...

    def fence(self, claim: Claim, tx: Tx) -> None:
        """First statement of a write transaction; renews the lease.

        Raises:
            Fenced: the chunk is no longer this claim's.
        """
        ...

    def settle(self, claim: Claim, outcomes: Outcomes, tx: Tx) -> None:
        """Writes down what became of a batch, in the transaction that wrote it."""
        ...

    def touch(self, keys: Sequence[Key], tx: Tx) -> None:
        """Lists keys that a rollback has to put right."""
        ...

    def release(self, claims: Sequence[Claim]) -> None:
        """Gives chunks back at once instead of letting their leases run out."""
        ...


class Usage(Protocol):
    """A table of the user's in which every payment is noted."""

    def note(self, paid: Paid, tx: Tx) -> None:
        """Notes one payment, in the transaction that writes what was paid for."""
        ...
