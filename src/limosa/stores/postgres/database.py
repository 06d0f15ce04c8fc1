"""Connections to one Postgres database: a small pool, transactions, and errors in limosa's words."""

from __future__ import annotations

import queue
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import psycopg
from psycopg import errors as pg
from psycopg.adapt import Dumper
from psycopg.pq import Format

from limosa.errors import LimosaError, Refused, Transient
from limosa.ports.tx import Dialect

__all__ = ["OWN", "Binary", "Database", "PostgresTx", "translated"]

SESSION = {
    "application_name": "limosa",
    # A policy would otherwise hide rows silently, and the count would still "hold".
    "row_security": "off",
    # Floats in keys must survive the way through text.
    "extra_float_digits": "1",
    "datestyle": "ISO, YMD",
    "intervalstyle": "iso_8601",
    "timezone": "UTC",
    # A batch of vectors is held while it is joined; it must not spill to disk.
    "work_mem": "64MB",
    "jit": "off",
}
"""Settings of every session of limosa's; none of them outlives it."""

_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"

TRANSIENT = (
    pg.OperationalError,
    pg.SerializationFailure,
    pg.DeadlockDetected,
    pg.LockNotAvailable,
    pg.QueryCanceled,
    pg.InsufficientResources,
    pg.OperatorIntervention,
    pg.SystemError,
    pg.InterfaceError,
    pg.InternalError_,
)


OWN = "limosa: "
"""How a message of limosa's own operations begins; what was needed is its detail, what to do its hint."""


class Binary:
    """Bytes that are already in Postgres's binary format; the statement's cast gives the type."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class _BinaryDumper(Dumper):
    format = Format.BINARY
    oid = 0

    def dump(self, obj: Binary) -> bytes:
        return obj.data


def translated(error: psycopg.Error) -> LimosaError:
    """What a driver's error means for a migration."""
    said = (error.diag.message_primary or str(error)).strip().splitlines()[0] if str(error) else type(error).__name__
    if isinstance(error, pg.InvalidPassword | pg.InvalidAuthorizationSpecification | pg.InvalidCatalogName):
        return Refused(f"Postgres does not let limosa in: {said}", do="Check the store's URL.")
    if isinstance(error, pg.InsufficientPrivilege):
        hint = "Grant it, or connect as the table's owner."
        if "row-level security" in said:
            hint = "Connect as the table's owner, or ALTER ROLE ... BYPASSRLS, so that no row stays hidden."
        return Refused(f"Postgres says: {said}", needed="A privilege that this role lacks.", do=hint)
    if isinstance(error, pg.DiskFull):
        return Transient(f"Postgres has no disk left: {said}", do="Free space, then repeat the command.")
    if isinstance(error, pg.RaiseException) and said.startswith(OWN):
        # An operation of limosa's own found something in the way.
        diag = error.diag
        return Refused(said.removeprefix(OWN), needed=diag.message_detail or "", do=diag.message_hint or "")
    if isinstance(error, TRANSIENT):
        return Transient(f"Postgres failed: {said}", do="Nothing committed is lost; repeat the command.")
    return Refused(f"Postgres refuses: {said}", do="This is about the statement or the data, not the moment.")


class PostgresTx:
    """One open transaction on one connection.

    Args:
        pipe: where the connection's pipeline is entered; None where every statement is waited for.
    """

    def __init__(
        self, connection: psycopg.Connection[tuple[Any, ...]], home: str, pipe: ExitStack | None = None
    ) -> None:
        self.connection = connection
        self._home = home
        self._pipe = pipe
        self._pipeline = pipe.enter_context(connection.pipeline()) if pipe is not None else None
        self._conditions: list[tuple[psycopg.Cursor[tuple[Any, ...]], LimosaError]] = []

    @property
    def home(self) -> str:
        """Names the database."""
        return self._home

    @property
    def dialect(self) -> Dialect:
        """The SQL that the database speaks."""
        return "postgres"

    @property
    def conditional(self) -> bool:
        """Whether a condition was sent that has not been answered."""
        return bool(self._conditions)

    def execute(self, sql: str, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """The rows that a statement answers; parameters are ``%(name)s``."""
        return self._rows(self.connection.execute(sql, params))

    def send(self, sql: str, params: Mapping[str, Any] | None = None, *, otherwise: LimosaError | None = None) -> None:
        """A statement whose answer nobody waits for; ``otherwise`` is raised where it answers no row."""
        cursor = self.connection.execute(sql, params)
        if otherwise is not None:
            self._conditions.append((cursor, otherwise))
        if self._pipeline is None:
            self.arrive()

    def arrive(self) -> None:
        """Waits until everything that was sent has been answered.

        Raises:
            LimosaError: a condition that was sent does not hold.
            psycopg.Error: a statement failed.
        """
        if self._pipeline is not None:
            self._pipeline.sync()
        conditions, self._conditions = self._conditions, []
        for cursor, otherwise in conditions:
            if not cursor.fetchall():
                raise otherwise

    def _rows(self, cursor: psycopg.Cursor[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        self.arrive()
        return cursor.fetchall() if cursor.description else []

    def raw(
        self, sql: str, *params: object, binary: bool = False, prepare: bool | None = None
    ) -> list[tuple[Any, ...]]:
        """Like ``execute`` with ``$1``: for statements into which identifiers, with any sign, were composed.

        Args:
            prepare: False where planner settings change between calls: a plan that was kept ignores them.
        """
        with psycopg.RawCursor(self.connection) as cursor:
            cursor.execute(sql, params or None, binary=binary, prepare=prepare)
            return self._rows(cursor)

    def sent(self, sql: str, *params: object) -> list[tuple[bytes, ...]]:
        """Like ``raw``, but each value as the server sends it in binary format; for columns that are not NULL."""
        with psycopg.RawCursor(self.connection) as cursor:
            cursor.execute(sql, params or None, binary=True)
            self.arrive()
            result = cursor.pgresult
            assert result is not None  # noqa: S101 - it was executed
            places = range(result.nfields)
            return [tuple(bytes(result.get_value(row, i) or b"") for i in places) for row in range(result.ntuples)]

    def many(self, sql: str, rows: Sequence[Sequence[object]]) -> int:
        """One statement for many rows of parameters, all on their way at once; how many rows of the table it touched.

        Raises:
            psycopg.Error: the server refused one of them, and so all.
        """
        with psycopg.RawCursor(self.connection) as cursor:
            cursor.executemany(sql, rows)
            return cursor.rowcount

    def copy(self, sql: str, blocks: Iterable[bytes]) -> None:
        """Sends blocks of a COPY FROM STDIN; a pipeline, which takes none, is left for it.

        Raises:
            psycopg.Error: the server took none of the rows.
        """
        if self._pipe is not None:
            self.arrive()
            self._pipe.close()
        try:
            with psycopg.RawCursor(self.connection) as cursor, cursor.copy(sql) as copy:
                for block in blocks:
                    copy.write(block)
        finally:
            if self._pipe is not None:
                self._pipeline = self._pipe.enter_context(self.connection.pipeline())

    def send_raw(self, *statements: str) -> None:
        """Statements without parameters whose answers nobody waits for."""
        for sql in statements:
            psycopg.RawCursor(self.connection).execute(sql)


class Database:
    """A pool of sessions; each thread takes one for the length of a transaction.

    Args:
        url: what psycopg takes. Never printed.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: queue.LifoQueue[psycopg.Connection[tuple[Any, ...]]] = queue.LifoQueue()
        info = psycopg.conninfo.conninfo_to_dict(url)
        self.title = f"{info.get('host') or 'local socket'}/{info.get('dbname') or 'postgres'}"

    @property
    def environment(self) -> dict[str, str]:
        """libpq's variables by which a program of Postgres finds this database: for a child's environment alone.

        The few parameters that have no variable, such as keepalives, are left out.
        """
        given = psycopg.conninfo.conninfo_to_dict(self._url)
        known = {each.keyword.decode(): each.envvar for each in psycopg.pq.Conninfo.get_defaults()}
        variables = ((known.get(name), value) for name, value in given.items())
        return {variable.decode(): str(value) for variable, value in variables if variable is not None}

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A new session with limosa's settings; a transaction is begun by who wants one, and the caller closes it.

        Raises:
            Refused: the server does not let limosa in.
            Transient: the server does not answer.
        """
        own = [f"-c {name}={value.replace(' ', chr(92) + ' ')}" for name, value in SESSION.items()]
        try:
            # What the address says comes first: of two values of one setting the later counts.
            given = psycopg.conninfo.conninfo_to_dict(self._url).get("options") or ""
            options = " ".join([str(given), *own])
            connection = psycopg.connect(self._url, autocommit=True, options=options, connect_timeout=10)
        except psycopg.Error as error:
            raise _at_the_door(error) from error
        connection.adapters.register_dumper(Binary, _BinaryDumper)
        return connection

    @contextmanager
    def session(self) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """A session from the pool; one that failed is not put back. Driver errors are translated here."""
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = self.connect()
        try:
            yield connection
        except psycopg.Error as error:
            raise translated(error) from error
        finally:
            self._give_back(connection)

    def _give_back(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        if connection.closed or connection.broken:
            return
        if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            try:
                connection.rollback()
            except psycopg.Error:
                connection.close()
                return
        self._idle.put(connection)

    @contextmanager
    def begin(self, *, snapshot: bool = False) -> Iterator[PostgresTx]:
        """A transaction; with ``snapshot`` it is REPEATABLE READ and read-only."""
        with self.session() as connection, connection.transaction():
            tx = PostgresTx(connection, self.title)
            if snapshot:
                connection.execute(_SNAPSHOT)
            yield tx

    @contextmanager
    def apart(self) -> Iterator[PostgresTx]:
        """A read-only snapshot in a session of its own, which is closed: nobody has set or planned anything in it."""
        with closing(self.connect()) as connection:
            try:
                with connection.transaction(force_rollback=True):
                    connection.execute(_SNAPSHOT)
                    yield PostgresTx(connection, self.title)
            except psycopg.Error as error:
                raise translated(error) from error

    @contextmanager
    def autocommit(self) -> Iterator[PostgresTx]:
        """Statements that are each a transaction of their own: one way to the server and back, where one is enough."""
        with self.session() as connection:
            yield PostgresTx(connection, self.title)

    @contextmanager
    def pipelined(self, *, snapshot: bool = False) -> Iterator[PostgresTx]:
        """A transaction whose statements go to the server along with the first that is waited for, or the commit."""
        if snapshot or not psycopg.Pipeline.is_supported():
            with self.begin(snapshot=snapshot) as tx:
                yield tx
            return
        with self.session() as connection, ExitStack() as pipe:
            tx = PostgresTx(connection, self.title, pipe)
            connection.execute("BEGIN")
            yield tx
            if tx.conditional:
                tx.arrive()
            # Leaving the pipeline waits for it; connection.commit() would be waited for too.
            connection.execute("COMMIT")

    def close(self) -> None:
        """Closes the idle sessions; safe to call again."""
        while True:
            try:
                self._idle.get_nowait().close()
            except queue.Empty:
                return


def _at_the_door(error: psycopg.Error) -> LimosaError:
    said = str(error).strip()
    if any(word in said for word in ("authentication failed", "does not exist", "no password", "no pg_hba")):
        return Refused(f"Postgres does not let limosa in: {said.splitlines()[0]}", do="Check the store's URL.")
    if "unsupported startup parameter" in said:
        # PgBouncer's words: it passes no settings on, unless it is told to swallow them.
        return Refused(
            "A pooler stands between limosa and Postgres, and takes no settings for the session.",
            needed="A session of limosa's own: it keeps settings, advisory locks and index builds.",
            do="Connect to Postgres itself; on many hosts that is port 5432 instead of 6543.",
        )
    return Transient(
        f"Postgres does not answer: {said.splitlines()[0] if said else type(error).__name__}",
        do="Start the server or mend the way to it, then repeat the command.",
    )
