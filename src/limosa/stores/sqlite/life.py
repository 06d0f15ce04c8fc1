"""Who is alive: a process's number, the turn to change the schema, and what the dead have left behind."""

from __future__ import annotations

import fcntl
import glob
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path

from limosa.errors import LimosaError
from limosa.stores.sqlite.database import Database

__all__ = ["LEASE_S", "Life"]

LEASE_S = 20.0
"""A turn at a server's database is over after so long without a sign of life: a statement may take some seconds."""

LOCAL_LEASE_S = 86_400.0
"""Where the locked file tells who lives, a turn ends with its process: an index build may keep every thread silent."""

LOOK_S = 0.1
"""How often a taken turn is asked for again."""

_NOW = "(julianday('now') - 2440587.5) * 86400.0"


@dataclass(slots=True)
class Life:
    """This process's registration with one database.

    Where the database is a file, a locked file beside it tells that a process lives: the system takes
    the lock away when the process dies, so that the next one frees at once what it held. A server
    shows nothing of the kind; there leases run out.
    """

    database: Database
    migration: str
    _number: int = 0
    _held: TextIOWrapper | None = None
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def alive(self) -> int:
        """This process's number; the first call frees what dead processes held."""
        with self._guard:
            if self._number == 0:
                self._number = secrets.randbits(62)
                if self.database.engine.path is not None:
                    self._register(self.database.engine.path)
            return self._number

    def close(self) -> None:
        """Ends the registration; safe to call again."""
        with self._guard:
            if self._held is not None:
                # What could not be given back, as on a full disk, is for the next process to free.
                if not self._owes():
                    Path(self._held.name).unlink(missing_ok=True)
                self._held.close()
                self._held = None
            self._number = 0

    @property
    def _lease_s(self) -> float:
        return LEASE_S if self.database.engine.path is None else LOCAL_LEASE_S

    def _register(self, path: Path) -> None:
        self._sweep(path)
        file = path.with_name(f"{path.name}-limosa-{self._number}")
        # Whoever sweeps between the two lines takes the file for a dead process's.
        while self._held is None or not file.exists():
            if self._held is not None:
                self._held.close()
            self._held = file.open("w")
            fcntl.flock(self._held, fcntl.LOCK_EX)

    def _owes(self) -> bool:
        try:
            with self.database.begin(snapshot=True) as tx:
                if not tx.raw("SELECT 1 FROM sqlite_master WHERE name = 'limosa_turn'"):
                    return False
                held = "lease_until IS NOT NULL AND owner = ?"
                sql = f"SELECT 1 FROM limosa_chunk WHERE {held} UNION ALL SELECT 1 FROM limosa_turn WHERE {held}"
                return bool(tx.raw(sql, self._number, self._number))
        except LimosaError:
            return True

    def _sweep(self, path: Path) -> None:
        for file in path.parent.glob(f"{glob.escape(path.name)}-limosa-*"):
            # A lock that can be had is that of a process that is gone.
            with suppress(OSError, ValueError), file.open("r+") as held:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._bury(int(file.name.rpartition("-")[2]))
                file.unlink(missing_ok=True)
        for owner in self._owners():
            # A database that was restored or copied remembers processes that never worked beside it.
            if owner != self._number and not path.with_name(f"{path.name}-limosa-{owner}").exists():
                self._bury(owner)

    def _owners(self) -> list[int]:
        with self.database.begin(snapshot=True) as tx:
            if not tx.raw("SELECT 1 FROM sqlite_master WHERE name = 'limosa_turn'"):
                return []
            held = "owner IS NOT NULL AND lease_until IS NOT NULL"
            sql = f"SELECT owner FROM limosa_turn WHERE {held} UNION SELECT owner FROM limosa_chunk WHERE {held}"
            return [int(owner) for (owner,) in tx.raw(sql)]

    def _bury(self, owner: int) -> None:
        with self.database.begin() as tx:
            if not tx.raw("SELECT 1 FROM sqlite_master WHERE name = 'limosa_turn'"):
                return
            for table in ("limosa_chunk", "limosa_turn"):
                tx.raw(f"UPDATE {table} SET lease_until = NULL, owner = NULL WHERE owner = ?", owner)

    @contextmanager
    def turn(self, what: str) -> Iterator[None]:
        """Keeps every other process from doing the same meanwhile; waits until they have."""
        number, ended, name = self.alive(), threading.Event(), f"{self.migration}:{what}"
        while not self._take(name, number):
            time.sleep(LOOK_S)
            if self.database.engine.path is not None:
                self._sweep(self.database.engine.path)
        beat = threading.Thread(target=self._beat, args=(number, ended), name="limosa-turn", daemon=True)
        beat.start()
        try:
            yield
        finally:
            ended.set()
            beat.join()
            with suppress(LimosaError), self.database.begin() as tx:
                tx.raw("UPDATE limosa_turn SET owner = NULL, lease_until = NULL WHERE migration = ?", name)

    def _take(self, name: str, number: int) -> bool:
        with self.database.begin() as tx:
            taken = tx.raw(
                f"INSERT INTO limosa_turn (migration, owner, lease_until) VALUES (?, ?, {_NOW} + ?)"
                " ON CONFLICT (migration) DO UPDATE SET owner = excluded.owner, lease_until = excluded.lease_until"
                f" WHERE owner IS NULL OR owner = excluded.owner OR lease_until < {_NOW} RETURNING 1",
                name,
                number,
                self._lease_s,
            )
        return bool(taken)

    def _beat(self, number: int, ended: threading.Event) -> None:
        while not ended.wait(LEASE_S / 4):
            with suppress(LimosaError), self.database.begin() as tx:
                tx.raw(f"UPDATE limosa_turn SET lease_until = {_NOW} + ? WHERE owner = ?", self._lease_s, number)
