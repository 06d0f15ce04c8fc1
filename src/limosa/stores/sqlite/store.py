"""SQLite or libSQL opened for one migration: the parts that the flow works with."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from limosa.errors import LimosaError, Refused
from limosa.model.batch import Key
from limosa.model.migration import Migration
from limosa.model.operation import Operation, Step
from limosa.model.strain import Limits, reason_of
from limosa.ports.examination import Scrutiny
from limosa.ports.reference import secret
from limosa.ports.search import OldOrNew
from limosa.ports.store import Capabilities, Ends, Facts
from limosa.ports.tx import Begin, Tx
from limosa.stores.sqlite.capture import TriggerCapture
from limosa.stores.sqlite.catalogue import look
from limosa.stores.sqlite.classes import classify
from limosa.stores.sqlite.database import Database, SqliteTx
from limosa.stores.sqlite.engine import Engine
from limosa.stores.sqlite.evidence import CarriedRows
from limosa.stores.sqlite.inspection import inspect
from limosa.stores.sqlite.life import Life
from limosa.stores.sqlite.rows import RowSource
from limosa.stores.sqlite.runner import Runner
from limosa.stores.sqlite.scope import scope_of
from limosa.stores.sqlite.writer import RowTarget

__all__ = ["SqliteStore", "SqliteWitness", "engine_of", "open_store"]

CAPABILITIES = Capabilities(
    transactions=True,
    capture=True,
    rename=True,
    index_kinds=(),
    max_index_dimensions={},
    # A batch is written in two seconds at most, and nobody is waited for meanwhile.
    lease_s=20,
)


class SqliteStore:
    """One database opened for one split.

    Raises:
        Refused: the file or the table is not there, or something else than a split is asked for.
    """

    capabilities = CAPABILITIES

    def __init__(self, url: str, migration: Migration) -> None:
        if migration.split is None:
            raise Refused(
                "In SQLite a table is split by dimension; other migrations are not available there yet.",
                needed='layout = "dimension_tables" in [target].',
            )
        self.database = Database(engine_of(url, migration))
        self.migration = migration
        try:
            with self.database.begin(snapshot=True) as tx:
                self.table = look(tx, _table_now(tx, migration))
            self.scope = scope_of(migration, self.table, self.database.engine)
        except BaseException:
            self.database.close()
            raise
        self.life = Life(self.database, migration.id)
        self.capture = TriggerCapture(self.database, self.scope.id, self.scope)
        self.runner = Runner(self.database, self.life)

    @property
    def begin(self) -> Begin:
        """Opens transactions."""
        return self.database.begin

    @property
    def place(self) -> str:
        """Names the vectors that a migration claims, the same from every machine."""
        return f"{self.scope.table}.{self.migration.source.place.vector}"

    def inspect(self) -> Facts:
        """What can be said of the place before anything is touched; changes nothing."""
        return inspect(self.database, self.migration, self.scope, self.table)

    def amends(self, step: Step, epoch: int) -> list[Operation]:
        """None: a table has no parts that come and go."""
        return []

    def ends(self, epoch: int, *, back: bool = False) -> Ends:
        """Source and target under the names that hold in an epoch; a split has no other way back."""
        source = RowSource(self.database, self.scope, self.scope.source(epoch))
        return Ends(source, RowTarget(partial(self.database.begin, bulk=True), self.scope, source))

    def witness(self, epoch: int) -> SqliteWitness:
        """What can be said of the vectors under the names of an epoch."""
        return SqliteWitness(self, epoch)

    def strain(self, limits: Limits) -> str:
        """What ``wait_while`` answers; SQLite has no replicas and says nothing of who waits."""
        if limits.wait_while is None:
            return ""
        try:
            with self.database.begin(snapshot=True) as tx:
                # A comment at the end must not swallow the parenthesis.
                return reason_of(tx.raw(f"SELECT * FROM (\n{limits.wait_while}\n) AS asked LIMIT 1"))
        except LimosaError as error:
            return f"wait_while fails: {error.what}"

    def alive(self) -> int:
        """Registers this process as a worker; the number stays taken until the process ends."""
        return self.life.alive()

    def close(self) -> None:
        """Gives every connection back; safe to call again."""
        with suppress(OSError):
            self.life.close()
        self.database.close()


@dataclass(frozen=True, slots=True)
class SqliteWitness:
    """What SQLite says of a split, under the names of one epoch."""

    store: SqliteStore
    epoch: int

    def classify(self, after: Key | None, upper: Key | None, tx: Tx) -> dict[str, int]:
        """Rows of the filter in (after, upper] by class, in the snapshot of ``tx``."""
        assert isinstance(tx, SqliteTx)  # noqa: S101 - the ports promise that begin and classify belong together
        return classify(self.store.scope, after, upper, tx, table=self.store.scope.source(self.epoch))

    def search(self, side: OldOrNew) -> None:
        """None: a split has one table for each dimension, and no side of its own."""
        return

    def evidence(self, side: OldOrNew) -> None:
        """None: see ``search``."""
        return

    def application(self, side: OldOrNew) -> None:
        """None: see ``search``."""
        return

    def examination(self, scrutiny: Scrutiny) -> None:
        """None: only a column whose vectors are of one space is examined."""
        return

    def carried(self) -> CarriedRows:
        """What can be said of the rows that were carried."""
        store = self.store
        source = RowSource(store.database, store.scope, store.scope.source(self.epoch))
        return CarriedRows(store.database, store.scope, source, switched=self.epoch % 2 == 1)


def _table_now(tx: SqliteTx, migration: Migration) -> str:
    """The source's name: after the switch a view has the old one."""
    name = migration.source.place.table
    kinds = {str(n).lower(): str(kind) for n, kind in tx.raw("SELECT name, type FROM sqlite_master")}
    if kinds.get(name.lower()) != "view":
        return name
    return next((each for each in (f"{name}_limosa_old", f"{name}_limosa_rest") if each.lower() in kinds), name)


def engine_of(url: str, migration: Migration) -> Engine:
    """How the database at this URL is reached; opens nothing.

    Raises:
        Refused: there is no such file, or an address without a token's reference.
    """
    scheme, _, rest = url.partition("://")
    if not rest.startswith("/"):
        from limosa.stores.sqlite.hrana import open_hrana

        reference = migration.source.token
        return open_hrana(url.removeprefix("libsql+"), secret(reference) if reference else "")
    # Three slashes begin an absolute path, a fourth is the path's own.
    path = Path(rest)
    if not path.is_file():
        raise Refused(f"There is no file {path.name}.", needed="The database that is named in [source].")
    if scheme == "sqlite":
        from limosa.stores.sqlite.stock import open_stock

        return open_stock(path)
    from limosa.stores.sqlite.libsql import open_libsql

    return open_libsql(path)


def open_store(url: str, migration: Migration) -> SqliteStore:
    """The database at this URL for this migration; connects, changes nothing."""
    return SqliteStore(url, migration)
