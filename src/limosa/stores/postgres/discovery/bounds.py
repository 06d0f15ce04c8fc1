"""Questions with a bound: a database that nobody has described may be huge, locked, or closed to this role."""

from __future__ import annotations

import time
from typing import Any

from psycopg import errors as pg

from limosa.ports.named import named_sql
from limosa.stores.postgres.database import PostgresTx

__all__ = ["CATALOGUE_MS", "LOCK_MS", "Asker", "limit"]

CATALOGUE_MS = 30_000
"""For one look into the catalogue: milliseconds mostly, seconds where it has millions of columns."""

SAMPLE_MS = 2_000
"""For one sample: a thousand rows are there in a tenth of that, unless most of what is read is dead rows."""

LOCK_MS = 500
"""Waiting for a table that somebody has locked: a rewrite lasts longer than a person wants to wait."""

ALL_SAMPLES_S = 20
"""For all samples together: after that the remaining columns are told by the catalogue alone."""

_SQL = named_sql("limosa.stores.postgres", "discovery")


def limit(tx: PostgresTx, statement_ms: int) -> None:
    """Lets every statement from here to the end of the transaction take so long at most."""
    tx.execute(_SQL["limits"], {"statement": f"{statement_ms}ms", "lock": f"{LOCK_MS}ms"})


class Asker:
    """Asks a database for samples until the time for all of them is used up."""

    def __init__(self, tx: PostgresTx, *, seconds: float = ALL_SAMPLES_S, sample_ms: int = SAMPLE_MS) -> None:
        self._tx = tx
        self._sample_ms = sample_ms
        self._until = time.monotonic() + seconds

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows; none where there is no time, no permission, or the table is locked."""
        if time.monotonic() >= self._until:
            return []
        try:
            with self._tx.connection.transaction():
                limit(self._tx, self._sample_ms)
                found = self._tx.raw(sql)
                limit(self._tx, CATALOGUE_MS)
                return found
        except (pg.QueryCanceled, pg.LockNotAvailable, pg.InsufficientPrivilege):
            return []
