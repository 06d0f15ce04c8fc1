"""Postgres opened for one migration: the parts that the flow works with."""

from __future__ import annotations

from dataclasses import dataclass, replace

from limosa.errors import Transient
from limosa.model.batch import Key
from limosa.model.migration import Migration
from limosa.model.operation import Operation, Step
from limosa.model.strain import Limits
from limosa.ports.carried import Carried
from limosa.ports.examination import Scrutiny
from limosa.ports.search import OldOrNew
from limosa.ports.store import Capabilities, Ends, Facts
from limosa.ports.tx import Begin, Tx
from limosa.stores.postgres.application import ColumnApplication
from limosa.stores.postgres.asked import Asked
from limosa.stores.postgres.capture import TriggerCapture
from limosa.stores.postgres.catalogue import look
from limosa.stores.postgres.classes import classify
from limosa.stores.postgres.database import Database, PostgresTx
from limosa.stores.postgres.doctor.examination import PostgresExamination, examination_of
from limosa.stores.postgres.evidence import ColumnEvidence
from limosa.stores.postgres.indexes import MAX_DIMENSIONS
from limosa.stores.postgres.inspection import inspect, match_function
from limosa.stores.postgres.life import Life
from limosa.stores.postgres.partition_indexes import late_indexes
from limosa.stores.postgres.rows import Along, RowSource
from limosa.stores.postgres.runner import Runner
from limosa.stores.postgres.scope import scope_of
from limosa.stores.postgres.search import ColumnSearch, iterates, vector_column
from limosa.stores.postgres.seat import seated
from limosa.stores.postgres.strain import Strain
from limosa.stores.postgres.view import live_view
from limosa.stores.postgres.writer import RowTarget

__all__ = ["PostgresStore", "PostgresWitness", "open_store"]

CAPABILITIES = Capabilities(
    transactions=True,
    capture=True,
    rename=True,
    index_kinds=("hnsw", "ivfflat"),
    max_index_dimensions=MAX_DIMENSIONS,
    # Twice the longest answer that a provider should need.
    lease_s=60,
)


class PostgresStore:
    """One database opened for one migration.

    Raises:
        Refused: the table, a column, the filter or the extension is not as the file says.
    """

    capabilities = CAPABILITIES

    def __init__(self, url: str, migration: Migration) -> None:
        self.database = Database(url)
        self.migration = migration
        try:
            with self.database.begin() as tx:
                self.table = look(tx, migration.target.place.table)
            self.scope = scope_of(self.database, migration, self.table)
        except BaseException:
            self.database.close()
            raise
        self.capture = TriggerCapture(self.database, self.scope)
        self.runner = Runner(self.database, self.scope, self.table.server)
        self._strain = Strain(self.database, self.scope.table_oid)
        self._life = Life(self.database)

    @property
    def begin(self) -> Begin:
        """Opens transactions."""
        return self.database.begin

    @property
    def place(self) -> str:
        """Names the vectors that a migration claims, the same from every machine."""
        return f"{self.scope.relation}.{self.scope.vector}"

    def inspect(self) -> Facts:
        """What can be said of the place before anything is touched; changes nothing."""
        return inspect(self.database, self.migration, self.scope)

    def amends(self, step: Step, epoch: int) -> list[Operation]:
        """What partitions need that came after plan, and what is left of those that went."""
        scope, index = self.scope, self.migration.index
        if step == "expand":
            return self.capture.amends(epoch)
        if (
            step != "index"
            or index is None
            or not scope.partitioned
            or scope.shape == "fill"
            or scope.beside is not None
        ):
            return []
        with self.database.begin() as tx:
            return late_indexes(tx, scope, index, epoch=epoch)

    def ends(self, epoch: int, *, back: bool = False) -> Ends:
        """Source and target under the names that hold in an epoch; with ``back`` the old side is the target."""
        scope = self.scope
        if back:
            # The old vectors stand for the text as the source describes it.
            scope = replace(scope, text=self.migration.source.place.text)
        seat = scope.old(epoch) if back else scope.new(epoch)
        with self.database.autocommit() as tx:
            stands = seated(tx, seat)
            old = seated(tx, scope.old(epoch)) if self.migration.shortens and not back else None
        if stands is None:
            raise Transient(
                f"{seat.relation} has no column {seat.column} now: another process has switched.",
                do="Repeat the command; it looks again at where the migration stands.",
            )
        along = Along(scope.old(epoch), half=old.base == "halfvec") if old is not None else None
        source = RowSource(self.database, scope, seat, along)
        target = RowTarget(
            begin=self.database.pipelined,
            scope=scope,
            seat=seat,
            source=source,
            element_oid=stands.element_oid,
            base=stands.base,
            replicate=self.table.server.may_replicate,
        )
        return Ends(source, target)

    def witness(self, epoch: int) -> PostgresWitness:
        """What can be said of the vectors under the names of an epoch."""
        return PostgresWitness(self, epoch)

    def strain(self, limits: Limits) -> str:
        """Why a run has to wait for the database now; empty where it need not."""
        return self._strain.look(limits)

    def alive(self) -> int:
        """Registers this process as a worker by an advisory lock, which ends when the process does."""
        return self._life.alive()

    def close(self) -> None:
        """Gives every connection back; safe to call again."""
        self._life.close()
        self.database.close()


@dataclass(frozen=True, slots=True)
class PostgresWitness:
    """What Postgres says of a migration's vectors, under the names of one epoch."""

    store: PostgresStore
    epoch: int

    def classify(self, after: Key | None, upper: Key | None, tx: Tx) -> dict[str, int]:
        """Rows of the filter in (after, upper] by class, in the snapshot of ``tx``."""
        assert isinstance(tx, PostgresTx)  # noqa: S101 - the ports promise that begin and classify belong together
        scope = self.store.scope
        return classify(scope, after, upper, tx, seat=scope.new(self.epoch))

    def search(self, side: OldOrNew) -> ColumnSearch | None:
        """Searches the vectors of a side; None where their column is not there."""
        store, scope, index = self.store, self.store.scope, self.store.migration.index
        seat = scope.old(self.epoch) if side == "old" else scope.new(self.epoch)
        dimensions = scope.old_dimensions if side == "old" else scope.new_dimensions
        with store.database.begin() as tx:
            column = vector_column(tx, seat, dimensions=dimensions)
        if column is None:
            return None
        return ColumnSearch(
            database=store.database,
            scope=scope,
            column=column,
            metric=index.metric if index is not None else "cosine",
            iterative=iterates(store.table.server.extension),
        )

    def evidence(self, side: OldOrNew) -> ColumnEvidence | None:
        """What can be said of the vectors of a side; None where their column is not there."""
        search = self.search(side)
        if search is None:
            return None
        with self.store.database.begin() as tx:
            function = match_function(tx, self.store.migration, self.store.table, self.store.scope)
        return ColumnEvidence(search=search, side=side, function=function)

    def application(self, side: OldOrNew) -> ColumnApplication | None:
        """The application's own query on a side; None where its column is not there."""
        store, search = self.store, self.search(side)
        if search is None:
            return None
        other = self.search("old" if side == "new" else "new")
        with store.database.begin() as tx:
            function = match_function(tx, store.migration, store.table, store.scope)
        live = side == ("new" if self.epoch % 2 else "old")
        view = live_view(store.migration, store.scope) if live and function is None else None
        # Where both sizes are equal, and the old side is still there, the name tells which is meant.
        named = function is not None and function.ambiguous and other is not None
        return ColumnApplication(Asked(search=search, side=side, function=function, view=view, named=named))

    def carried(self) -> Carried | None:
        """None: vectors stand in a column of their own rows."""
        return None

    def examination(self, scrutiny: Scrutiny) -> PostgresExamination:
        """Examines the application's vector column for ills.

        Raises:
            Refused: a column that the scrutiny names is not there.
        """
        store = self.store
        return examination_of(store.database, store.migration.target.place.table, store.scope, scrutiny)


def open_store(url: str, migration: Migration) -> PostgresStore:
    """The database at this URL for this migration; connects, changes nothing."""
    return PostgresStore(url, migration)
