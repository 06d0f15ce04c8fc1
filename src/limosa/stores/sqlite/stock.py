"""Stock SQLite, by the standard library's own module."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from limosa.errors import LimosaError, Refused, RowRefused, Transient
from limosa.stores.sqlite.engine import BUSY_S, Busy, Connection, Engine, Value

__all__ = ["open_stock"]

MOST_ROWS = 250
"""Rows of one statement: 3 MB of blobs at 3072 dimensions, and up to 131 values a row within SQLite's own bound."""

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_TRANSIENT = {
    sqlite3.SQLITE_FULL: "no room is left, on the disk or under max_page_count",
    sqlite3.SQLITE_IOERR: "the disk failed",
    sqlite3.SQLITE_NOMEM: "memory is used up",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened",
    sqlite3.SQLITE_INTERRUPT: "the statement was interrupted",
    sqlite3.SQLITE_SCHEMA: "the schema changed meanwhile",
    sqlite3.SQLITE_PROTOCOL: "its locks are contended",
    sqlite3.SQLITE_BUSY_SNAPSHOT: "another connection wrote since this transaction read",
}
"""Result codes that repeating a command may mend (https://sqlite.org/rescode.html)."""

_ROW = {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG}


class _Stock:
    """A connection of the standard library's, with transactions left to the caller."""

    def __init__(self, path: Path, *, write: bool) -> None:
        self._name = path.name
        address = f"file:{quote(str(path))}?mode={'rw' if write else 'ro'}"
        try:
            self._raw = sqlite3.connect(
                address, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=256
            )
        except sqlite3.Error as error:
            raise Refused(
                f"{path.name} cannot be opened.",
                needed="A file that is there, and that limosa may read and write.",
                do="Check the path and the permissions.",
            ) from error
        self.execute("PRAGMA foreign_keys = OFF")
        if not write:
            _load_vec(self._raw)

    def execute(self, sql: str, params: Sequence[Value] = ()) -> list[tuple[Value, ...]]:
        """The rows that one statement answers."""
        with self._translated():
            return self._raw.execute(sql, params).fetchall()

    def insert(self, head: str, row: str, tail: str, rows: Iterable[Sequence[Value]]) -> None:
        """Statements of many rows: between two steps of a statement another thread may take Python's lock for long."""
        with self._translated():
            left = iter(rows)
            while part := list(islice(left, MOST_ROWS)):
                values = ", ".join([row] * len(part))
                self._raw.execute(f"{head} VALUES {values} {tail}", [value for each in part for value in each])

    def script(self, sql: str) -> None:
        """Statements outside a transaction; the module's executescript would commit an open one."""
        with self._translated():
            if self._raw.in_transaction:
                raise Refused("A transaction is open.", needed="None: this statement ends it or fails in it.")
            self._raw.executescript(sql)

    def close(self) -> None:
        """Ends the connection."""
        self._raw.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (OverflowError, UnicodeEncodeError) as error:
            raise RowRefused(f"SQLite cannot store the value: {error}") from error
        except sqlite3.Error as error:
            found = self._meaning(error)
            if isinstance(found, Transient) and not isinstance(found, Busy):
                with suppress(sqlite3.Error):
                    self._raw.execute("ROLLBACK")
            raise found from error

    def _meaning(self, error: sqlite3.Error) -> LimosaError:
        # What has no code is misuse of the module.
        code = getattr(error, "sqlite_errorcode", 0)
        kind = code if code in _TRANSIENT else code & 0xFF
        if kind in _ROW:
            return RowRefused(f"SQLite rejected the row: {error}")
        if kind in _BUSY:
            return Busy(
                f"{self._name}: it is locked by another connection ({error}).",
                do="Nothing committed is lost; repeat the command.",
            )
        if kind in _TRANSIENT:
            return Transient(
                f"{self._name}: {_TRANSIENT[kind]} ({error}).", do="Nothing committed is lost; repeat the command."
            )
        return Refused(f"SQLite refuses: {error}", do="This is about the statement or the file, not the moment.")


def open_stock(path: Path) -> Engine:
    """The database in a file that is there already; opens nothing."""

    def connect(*, write: bool = True) -> Connection:
        return _Stock(path, write=write)

    return Engine(title=path.name, path=path, native=False, connect=connect, beside=open_stock)


def _load_vec(connection: sqlite3.Connection) -> None:
    """Makes sqlite-vec's distances known where the package is there, and this Python may load extensions."""
    if find_spec("sqlite_vec") is None or not hasattr(connection, "enable_load_extension"):
        return
    import sqlite_vec

    connection.enable_load_extension(True)
    sqlite_vec.load(connection)
    connection.enable_load_extension(False)
