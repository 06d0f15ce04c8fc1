"""Who is alive: a process's number, held by an advisory lock that ends when the process does."""

from __future__ import annotations

import secrets
import threading
from typing import Any

import psycopg

from limosa.stores.postgres.database import Database

__all__ = ["Life"]


class Life:
    """This process's registration with one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held: psycopg.Connection[tuple[Any, ...]] | None = None
        self._number = 0
        self._guard = threading.Lock()

    def alive(self) -> int:
        """Registers this process as a worker; safe to call again."""
        with self._guard:
            if self._held is None or self._held.closed:
                self._held = self._database.connect()
                self._number = secrets.randbits(62)
                self._held.execute("SELECT pg_advisory_lock(%s::bigint)", (self._number,))
            return self._number

    def close(self) -> None:
        """Ends the registration; safe to call again."""
        with self._guard:
            if self._held is not None:
                self._held.close()
                self._held = None
