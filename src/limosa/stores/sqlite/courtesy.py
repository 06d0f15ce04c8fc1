"""Room for other writers of a file, who cannot queue: whoever waits only looks again from time to time."""

from __future__ import annotations

import time

from limosa.stores.sqlite.engine import Busy, Connection, Value

__all__ = ["Courtesy"]

GAP_S, LONG_GAP_S = 0.03, 0.12
"""Lengths of a gap: SQLite's busy handler looks every 25 ms, and after 0.3 s of waiting every 100 ms."""

ALONE_S = 0.6
"""So much writing goes before a gap where nobody else was seen to write lately."""

COMPANY_S = 0.03
"""So much writing goes before a gap otherwise."""

LATELY_S = 1.0
"""So long ago somebody else wrote at the most, where there is company."""

FIRST_S = 0.3
"""For so long at the beginning there may be."""


class Courtesy:
    """Leaves gaps between batches, and sees in them whether anybody else writes; used by whoever has the turn."""

    def __init__(self) -> None:
        self._written_s = 0.0
        self._seen_s: float | None = None

    def leave_room(self, connection: Connection, written_s: float) -> None:
        """Waits for the length of a gap where one is due; nobody of this process may write meanwhile.

        Args:
            written_s: how long the batch before kept others from writing.
        """
        self._written_s += written_s
        if self._seen_s is None:
            self._seen_s = time.monotonic() - LATELY_S + FIRST_S
        company = time.monotonic() - self._seen_s < LATELY_S
        if self._written_s < (COMPANY_S if company else ALONE_S):
            return
        before = _version(connection)
        time.sleep(min(LONG_GAP_S, max(GAP_S, self._written_s / 2)) if company else GAP_S)
        self._written_s = 0.0
        after = _version(connection)
        if after is None or after != before:
            self._seen_s = time.monotonic()


def _version(connection: Connection) -> Value:
    """A number that changes with every commit of another connection; None where one is under way for long."""
    try:
        return connection.execute("PRAGMA data_version")[0][0]
    except Busy:
        # Whoever waits for the lock is the next transaction.
        return None
