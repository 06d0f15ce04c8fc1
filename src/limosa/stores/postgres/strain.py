"""Strain on a Postgres database: replicas that fall behind, sessions that wait for locks, and what the user asks."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from limosa.errors import LimosaError
from limosa.model.strain import Limits, reason_of
from limosa.ports.named import named_sql
from limosa.ports.tx import Tx
from limosa.stores.postgres.database import Database

__all__ = ["Strain"]

TIMEOUT = "1s"
"""The longest that one look may take of the database."""

MARKS = 4000
"""Looks that are remembered: an hour of them, once a second, which is the longest lag that can be asked about."""

_SQL = named_sql("limosa.stores.postgres", "strain")


@dataclass(slots=True)
class Strain:
    """Looks at one database, and remembers how far its log was at each look.

    Attributes:
        table_oid: the table whose users' waits are counted.
    """

    database: Database
    table_oid: int
    _marks: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=MARKS))

    def look(self, limits: Limits) -> str:
        """Why a run has to wait now; empty where it need not.

        Raises:
            Transient: the database does not answer.
        """
        if limits.max_lag_s is not None or limits.max_lock_waits is not None:
            with self.database.begin(snapshot=True) as tx:
                _limit(tx)
                said = self._lag(limits, tx) or self._waits(limits, tx)
            if said:
                return said
        return self._asked(limits.wait_while) if limits.wait_while is not None else ""

    def _lag(self, limits: Limits, tx: Tx) -> str:
        if limits.max_lag_s is None:
            return ""
        found = [(float(measured_s), str(name), int(at), int(end)) for name, at, measured_s, end in _receivers(tx)]
        if not found:
            self._marks.clear()
            return ""
        self._mark(max(end for *_, end in found), behind=min(at for _, _, at, _ in found))
        lags = [(max(self._behind_s(at), measured_s if at < end else 0), name) for measured_s, name, at, end in found]
        lag_s, name = max(lags)
        if lag_s <= limits.max_lag_s:
            return ""
        return f"the {name} is {lag_s:.0f} s behind, and max_lag_s is {limits.max_lag_s:g}"

    def _mark(self, end: int, *, behind: int) -> None:
        self._marks.append((time.monotonic(), end))
        # Everybody has passed the oldest ones.
        while self._marks and self._marks[0][1] <= behind:
            self._marks.popleft()

    def _behind_s(self, at: int) -> float:
        """Seconds since the log was first seen beyond a position: what the server measures stands still with a
        receiver that says nothing any more, and of a slot it measures nothing."""
        first = next((seen_s for seen_s, end in self._marks if end > at), None)
        return time.monotonic() - first if first is not None else 0.0

    def _waits(self, limits: Limits, tx: Tx) -> str:
        if limits.max_lock_waits is None:
            return ""
        count = int(tx.execute(_SQL["lock_waits"], {"table": self.table_oid})[0][0])
        if count <= limits.max_lock_waits:
            return ""
        return f"{count} sessions wait for a lock, and max_lock_waits is {limits.max_lock_waits}"

    def _asked(self, sql: str) -> str:
        try:
            with self.database.begin(snapshot=True) as tx:
                _limit(tx)
                # Binary answers come by the protocol that takes one statement only: nothing can leave the parentheses.
                # A comment at the end must not swallow them.
                return reason_of(tx.raw(f"SELECT * FROM (\n{sql}\n) AS asked LIMIT 1", binary=True))
        except LimosaError as error:
            return f"wait_while fails: {error.what}"


def _receivers(tx: Tx) -> list[tuple[Any, ...]]:
    return tx.execute(_SQL["receivers"])


def _limit(tx: Tx) -> None:
    tx.execute(f"SET LOCAL statement_timeout = '{TIMEOUT}'")
