"""One database of SQLite's family: connections, transactions, and patience with other writers."""

from __future__ import annotations

import json
import queue
import random
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Literal

from limosa.errors import LimosaError, Refused, Transient
from limosa.ports.memory import give_back
from limosa.ports.tx import Dialect
from limosa.stores.sqlite.courtesy import Courtesy
from limosa.stores.sqlite.engine import Busy, Connection, Engine, Value
from limosa.stores.sqlite.turn import Turn

__all__ = ["PATIENCE_S", "Database", "SqliteTx"]

PATIENCE_S = 180.0
"""How long another writer is waited for before a step gives up: three times the longest lock that was asked for."""

Use = Literal["read", "write", "log"]

CACHE_KB: dict[Use, int] = {"read": 4_096, "write": 16_384, "log": 256}
"""A connection's page cache, by what it is for. Two or three read and one writes: a page that a transaction wrote
and that does not fit goes to the log at once, and perhaps again."""

LOG_PAGES = 32_000
"""Pages that the write-ahead log may grow to before it is begun anew: 128 MB at the usual page size."""

GIVE_BACK = 8
"""Batches after which freed memory is given back; after each it would cost a tenth of the time at 384 dimensions."""

RESTART_S = 0.05
"""How long readers of the old log are waited for then; the application's writers wait as long."""

_LOOK = "SELECT 1 FROM sqlite_master LIMIT 1"

_PARAMETER = re.compile(r"%\((\w+)\)s")


class SqliteTx:
    """One open transaction on one connection."""

    def __init__(self, connection: Connection, home: str) -> None:
        self.connection = connection
        self._home = home

    @property
    def home(self) -> str:
        """Names the database."""
        return self._home

    @property
    def dialect(self) -> Dialect:
        """The SQL that the database speaks."""
        return "sqlite"

    def execute(self, sql: str, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """The rows that a statement answers; parameters are ``%(name)s``, lists go as JSON."""
        values: list[Value] = []

        def place(found: re.Match[str]) -> str:
            values.append(_value((params or {})[found[1]]))
            return "?"

        return self.connection.execute(_PARAMETER.sub(place, sql), values)

    def send(self, sql: str, params: Mapping[str, Any] | None = None, *, otherwise: LimosaError | None = None) -> None:
        """Carries it out at once."""
        if not self.execute(sql, params) and otherwise is not None:
            raise otherwise

    def raw(self, sql: str, *params: Value) -> list[tuple[Any, ...]]:
        """Like ``execute`` with ``?``: for statements into which names were composed."""
        return self.connection.execute(sql, params)


class Database:
    """Connections to one database; each thread takes one for the length of a transaction.

    Threads of this process queue for the one place of a writer here, so that they do not meet in
    SQLite, where whoever comes second sleeps and asks again.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.title = engine.title
        self._idle: dict[Use, queue.LifoQueue[Connection]] = {use: queue.LifoQueue() for use in CACHE_KB}
        self._turn = Turn()
        self._courtesy = Courtesy()
        # Two threads that fetch and decode would take Python's lock from each other at every row of a file.
        self.decoding: AbstractContextManager[object] = threading.Lock() if self._file else nullcontext()
        self._emptying = threading.Lock()
        self._most_logged = LOG_PAGES
        self._born = _identity(engine.path)

    def session(self, *, write: bool) -> AbstractContextManager[Connection]:
        """A connection; one that failed is closed and not used again.

        Raises:
            Refused: the file is no longer the one that was opened. SQLite itself would go on with the old one.
        """
        return self._session("write" if write else "read")

    @contextmanager
    def _session(self, use: Use) -> Iterator[Connection]:
        if _identity(self.engine.path) != self._born:
            raise Refused(
                f"{self.title} was removed or replaced since it was opened.",
                needed="The file with which the command began.",
                do="Look which file stands there now; what was carried until then lies in the other one.",
            )
        try:
            connection = self._idle[use].get_nowait()
        except queue.Empty:
            connection = self._connect(use)
        try:
            yield connection
        except BaseException:
            with suppress(Exception):
                connection.close()
            raise
        self._idle[use].put(connection)

    def _connect(self, use: Use) -> Connection:
        connection = self.engine.connect(write=use != "read")
        try:
            if self._file:
                self._prepare(connection, use)
        except BaseException:
            with suppress(Exception):
                connection.close()
            raise
        return connection

    def _prepare(self, connection: Connection, use: Use) -> None:
        write = use != "read"
        self._look(connection, write=write)
        connection.execute(f"PRAGMA cache_size = -{CACHE_KB[use]}")
        if write and connection.execute("PRAGMA journal_mode")[0][0] == "wal":
            # A commit that a power cut takes back takes its rows and its cursor back together.
            connection.execute("PRAGMA synchronous = NORMAL")
            # The default of 1,000 makes every batch of vectors wait for the disk.
            connection.execute(f"PRAGMA wal_autocheckpoint = {2 * LOG_PAGES}")

    @contextmanager
    def begin(self, *, snapshot: bool = False, durable: bool = False, bulk: bool = False) -> Iterator[SqliteTx]:
        """A transaction.

        Args:
            snapshot: it only reads, and sees one instant throughout.
            durable: a power cut must not take it back: its order to other files and people matters.
            bulk: it writes many vectors, and lets short work of this process go first.
        """
        if snapshot:
            with self.session(write=False) as connection:
                connection.execute("BEGIN")
                if self._file:
                    self._look(connection, write=False)
                yield SqliteTx(connection, self.title)
                connection.execute("ROLLBACK")
            return
        turn, session = self._turn.hold(bulk=bulk), self.session(write=True)
        with turn, session as connection, _durably(connection, wanted=durable and self._file):
            _patiently(connection, "BEGIN IMMEDIATE")
            began = time.monotonic()
            try:
                yield SqliteTx(connection, self.title)
            except BaseException:
                with suppress(LimosaError):
                    connection.execute("ROLLBACK")
                raise
            # Without a write-ahead log a reader can hold a commit up; the transaction stands meanwhile.
            _patiently(connection, "COMMIT")
            if bulk and self._file:
                self._courtesy.leave_room(connection, time.monotonic() - began)
        if bulk and self._file:
            self._empty_log()
            give_back(every=GIVE_BACK)

    def _empty_log(self) -> None:
        """Copies the log's pages into the file while the next batch is written, so that no commit has to.

        What fails here is tried again after the next batch: the commit itself stands.
        """
        if not self._emptying.acquire(blocking=False):
            return
        try:
            with suppress(LimosaError), self._session("log") as connection:
                logged = _checkpoint(connection, "PASSIVE")
                if logged > self._most_logged:
                    # While nobody writes, and nobody reads from it, the log begins anew.
                    with self._turn.hold(bulk=False):
                        left = _checkpoint(connection, "RESTART")
                    self._most_logged = LOG_PAGES + left
        finally:
            self._emptying.release()

    @property
    def _file(self) -> bool:
        return self.engine.path is not None

    def _look(self, connection: Connection, *, write: bool) -> None:
        """Takes a file's read lock, so that no read after it in the transaction has to wait for one."""
        try:
            _patiently(connection, _LOOK)
        except Refused:
            if write:
                raise
            # A process died in a commit without a write-ahead log. SQLite rolls it back for whoever may write.
            with self.session(write=True) as writer:
                self._look(writer, write=True)
            _patiently(connection, _LOOK)

    def close(self) -> None:
        """Closes the idle connections, and gives back the room of a log that batches made large; safe to call again."""
        if not self._idle["log"].empty():
            with suppress(LimosaError), self._session("log") as connection:
                _checkpoint(connection, "TRUNCATE")
        for idle in self._idle.values():
            with suppress(queue.Empty):
                while True:
                    idle.get_nowait().close()


def _checkpoint(connection: Connection, how: str) -> int:
    """How many pages the log holds; none where it begins anew with the next commit, or where there is no log."""
    before = connection.execute("PRAGMA busy_timeout")[0][0]
    connection.execute(f"PRAGMA busy_timeout = {1000 * RESTART_S:.0f}")
    failed, logged, _ = connection.execute(f"PRAGMA wal_checkpoint({how})")[0]
    connection.execute(f"PRAGMA busy_timeout = {before!s}")
    return 0 if how != "PASSIVE" and not failed else int(logged or 0)


@contextmanager
def _durably(connection: Connection, *, wanted: bool) -> Iterator[None]:
    if not wanted:
        yield
        return
    before = connection.execute("PRAGMA synchronous")[0][0]
    connection.execute("PRAGMA synchronous = FULL")
    yield
    connection.execute(f"PRAGMA synchronous = {before!s}")


def _identity(path: Path | None) -> tuple[int, int] | None:
    """Which file this is, as SQLite itself tells files apart; None where there is none, or for a server."""
    try:
        found = path.stat() if path is not None else None
    except FileNotFoundError:
        return None
    return (found.st_dev, found.st_ino) if found is not None else None


def _patiently(connection: Connection, statement: str) -> None:
    started, pause_s = time.monotonic(), 0.01
    while True:
        try:
            connection.execute(statement)
            return
        except Busy as error:
            if time.monotonic() - started > PATIENCE_S:
                raise Transient(
                    f"{error.what} It was waited for, {PATIENCE_S:.0f} s long.",
                    do="Find the connection that holds the lock, then repeat the command.",
                ) from error
        time.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - spread, not secrecy
        pause_s = min(1.0, pause_s * 2)


def _value(value: Any) -> Value:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, list | tuple):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return value  # type: ignore[no-any-return]
