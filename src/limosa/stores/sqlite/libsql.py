"""libSQL in a file, by the package ``libsql``."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from limosa.errors import LimosaError, Refused, RowRefused, Transient
from limosa.stores.sqlite.engine import BUSY_S, Busy, Connection, Engine, Value
from limosa.stores.sqlite.statements import parts, statements

__all__ = ["open_libsql"]

# The package throws one ValueError for everything: what happened stands in SQLite's own words alone.
_BUSY = re.compile(r"database (table |schema )?is locked")
_TRANSIENT = re.compile(
    r"database or disk is full|disk I/O error|out of memory|unable to open database file|interrupted"
    r"|database schema has changed|locking protocol"
)
_ROW = re.compile(
    r"(UNIQUE|NOT NULL|CHECK|FOREIGN KEY|PRIMARY KEY) constraint failed|constraint failed|datatype mismatch"
    r"|string or blob too big|cannot store \w+ value in|Unsupported parameter type"
)
_PAUSE_S = 0.01


class _Libsql:
    """A connection of the package's, with transactions left to the caller.

    The package never lets go of Python's lock, so a wait inside it would stop every thread, also the one
    that the lock is waited for. It is told to wait for nothing, and the waiting is done here.
    """

    def __init__(self, path: Path, *, write: bool) -> None:
        connect = _package().connect
        self._name = path.name
        address = f"file:{quote(str(path))}?mode={'rw' if write else 'ro'}"
        self._raw: Any = None
        try:
            self._raw = connect(address, timeout=0.0, isolation_level=None, _check_same_thread=False, _uri=True)
        except ValueError as error:
            raise Refused(
                f"{path.name} cannot be opened.",
                needed="A file that is there, and that limosa may read and write.",
                do="Check the path and the permissions.",
            ) from error
        self.execute("PRAGMA foreign_keys = OFF")

    def execute(self, sql: str, params: Sequence[Value] = ()) -> list[tuple[Value, ...]]:
        """The rows that one statement answers; a text is cut at its first NUL, which a CAST to BLOB is not."""
        # The package would run the first statement alone.
        if ";" in sql.rstrip("; \n") and len(statements(sql)) > 1:
            raise Refused("libSQL runs one statement at a time.", needed="One statement.")
        return self._ask(*_bound(sql, params))

    def insert(self, head: str, row: str, tail: str, rows: Iterable[Sequence[Value]]) -> None:
        """One statement a row: as fast as many rows in one, and a busy one can be repeated alone."""
        sql = f"{head} VALUES {row} {tail}"
        for each in rows:
            self._ask(*_bound(sql, each))

    def script(self, sql: str) -> None:
        """Statements outside a transaction, one by one: the package's own executescript hides their errors."""
        self._guarded(self._require_no_transaction)
        for each in statements(sql):
            self._ask(each, ())

    def close(self) -> None:
        """Ends the connection."""
        raw, self._raw = self._raw, None
        if raw is not None:
            raw.close()

    def _ask(self, sql: str, params: tuple[Value, ...]) -> list[tuple[Value, ...]]:
        deadline = time.monotonic() + BUSY_S
        while True:
            try:
                # Rows come while they are fetched, and so do errors. Of a statement without rows comes None.
                return self._guarded(lambda raw: raw.execute(sql, params).fetchall()) or []
            except Busy:
                if time.monotonic() >= deadline:
                    raise
            time.sleep(_PAUSE_S)

    def _guarded(self, work: Callable[[Any], Any]) -> Any:
        if self._raw is None:
            raise Refused("The connection is closed.")
        try:
            return work(self._raw)
        except ValueError as error:
            raise self._translated(str(error)) from error
        except BaseException as error:
            # The package's Rust panics where SQLite's text is not UTF-8.
            if type(error).__name__ != "PanicException":
                raise
            raise Refused(f"libsql failed: {error}", do="A text that is not UTF-8 can be read as a BLOB.") from error

    def _require_no_transaction(self, raw: Any) -> None:
        if raw.in_transaction:
            raise Refused("A transaction is open.", needed="None: this statement ends it or fails in it.")

    def _translated(self, said: str) -> LimosaError:
        if _BUSY.match(said):
            return Busy(
                f"{self._name}: it is locked by another connection ({said}).",
                do="Nothing committed is lost; repeat the command.",
            )
        if _TRANSIENT.fullmatch(said):
            with suppress(ValueError):
                self._raw.execute("ROLLBACK").fetchall()
            return Transient(f"{self._name}: {said}.", do="Nothing committed is lost; repeat the command.")
        if _ROW.match(said) or self._of_a_trigger(said):
            return RowRefused(f"libSQL rejected the row: {said[:200]}")
        return Refused(f"libSQL refuses: {said}", do="This is about the statement or the file, not the moment.")

    def _of_a_trigger(self, said: str) -> bool:
        # RAISE(ABORT, 'words') is a constraint of the application's own, known by its words alone.
        asked = "SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND instr(sql, ?) LIMIT 1"
        try:
            return bool(self._raw.execute(asked, ("'" + said.replace("'", "''") + "'",)).fetchall())
        except ValueError:
            return False


def open_libsql(path: Path) -> Engine:
    """The database in a file that is there already; opens nothing.

    Raises:
        Refused: the package ``libsql`` is not installed.
    """
    _package()

    def connect(*, write: bool = True) -> Connection:
        return _Libsql(path, write=write)

    return Engine(title=path.name, path=path, native=True, connect=connect, beside=open_libsql)


def _package() -> Any:
    try:
        import libsql  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError as exc:
        raise Refused(
            "The package that reads libSQL files is not installed.",
            do="pip install 'limosa[libsql]'; without it limosa reaches libSQL over HTTP.",
        ) from exc
    return libsql


def _bound(sql: str, params: Sequence[Value]) -> tuple[str, tuple[Value, ...]]:
    """The statement and its values in the form the package keeps whole.

    It would take a missing value for NULL, leave one too many out, and hand on an integer of more than 32 bits
    as a float: such an integer goes into the text.
    """
    texts = parts(sql)
    if len(texts) != len(params) + 1:
        raise Refused(f"The statement has {len(texts) - 1} places for values and got {len(params)}.")
    if not any(_wide(value) for value in params):
        return sql, tuple(params)
    # Spaces: after a minus sign a negative number would begin a comment.
    shown = [f" {value!r} " if _wide(value) else "?" for value in params]
    text = texts[0] + "".join(place + after for place, after in zip(shown, texts[1:], strict=True))
    return text, tuple(value for value in params if not _wide(value))


def _wide(value: Value) -> bool:
    if not isinstance(value, int) or -(2**31) <= value < 2**31:
        return False
    if not -(2**63) <= value < 2**63:
        raise RowRefused("An integer of more than 64 bits cannot be stored.")
    return True
