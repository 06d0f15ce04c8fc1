"""The database of a landing as the home of its migration's ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from limosa.model.batch import Key
from limosa.model.migration import Migration
from limosa.model.strain import Limits
from limosa.ports.store import Capabilities
from limosa.ports.tx import Begin, Tx
from limosa.stores.postgres.changes import ChangeTable
from limosa.stores.postgres.database import Database, PostgresTx
from limosa.stores.postgres.indexes import MAX_DIMENSIONS
from limosa.stores.postgres.landing.site import site_of
from limosa.stores.postgres.landing.table import LandingTable
from limosa.stores.postgres.life import Life
from limosa.stores.postgres.runner import Runner
from limosa.stores.postgres.strain import Strain

__all__ = ["LedgerNotes", "PostgresHome", "open_landing"]

CAPABILITIES = Capabilities(
    transactions=True,
    capture=False,
    rename=False,
    index_kinds=("hnsw", "ivfflat"),
    max_index_dimensions=MAX_DIMENSIONS,
    # Twice the longest answer of a source that is waited for.
    lease_s=60,
)


@dataclass(frozen=True, slots=True)
class LedgerNotes:
    """What the ledger in Postgres knows of keys."""

    id: str

    def outcomes(self, keys: Sequence[Key], tx: Tx) -> Mapping[Key, str]:
        """``pending``, ``dead`` or ``skipped`` by key."""
        assert isinstance(tx, PostgresTx)  # noqa: S101 - the ports promise that begin and outcomes belong together
        found = tx.raw(
            "SELECT s.k, CASE WHEN EXISTS (SELECT FROM limosa.change AS g WHERE g.migration = $2"
            " AND g.key = ARRAY[s.k]) THEN 'pending' ELSE x.kind END FROM unnest($1::text[]) AS s(k)"
            " LEFT JOIN limosa.exception AS x ON x.migration = $2 AND x.key = ARRAY[s.k]",
            [key for (key,) in keys],
            self.id,
        )
        return {(key,): str(kind) for key, kind in found if kind is not None}

    def traces(self, keys: Sequence[Key], tx: Tx) -> Mapping[Key, str]:
        """The traces of those that are dead or skipped."""
        assert isinstance(tx, PostgresTx)  # noqa: S101
        found = tx.raw(
            "SELECT s.k, t.trace FROM unnest($1::text[]) AS s(k)"
            " JOIN limosa.exception AS x ON x.migration = $2 AND x.key = ARRAY[s.k]"
            " JOIN limosa.trace AS t ON t.migration = $2 AND t.key = ARRAY[s.k]",
            [key for (key,) in keys],
            self.id,
        )
        return {(key,): str(trace) for key, trace in found}

    def unread(self, tx: Tx) -> list[tuple[Key | None, Key]]:
        """Ranges that no worker has read yet."""
        assert isinstance(tx, PostgresTx)  # noqa: S101
        found = tx.raw(
            "SELECT cursor, upper FROM limosa.chunk WHERE migration = $1 AND NOT follows AND state = 'open'"
            " UNION ALL SELECT frontier, top FROM limosa.migration WHERE id = $1 AND top IS NOT NULL"
            " AND frontier IS DISTINCT FROM top",
            self.id,
        )
        return [(tuple(after) if after is not None else None, tuple(upper)) for after, upper in found]


@dataclass(slots=True)
class PostgresHome:
    """One database, opened for one migration."""

    database: Database
    runner: Runner
    changes: ChangeTable
    noted: LedgerNotes
    capabilities: Capabilities = CAPABILITIES
    _life: Life = field(init=False)
    _strain: Strain = field(init=False)

    def __post_init__(self) -> None:
        self._life = Life(self.database)
        self._strain = Strain(self.database, 0)

    @property
    def begin(self) -> Begin:
        """Opens transactions."""
        return self.database.begin

    def strain(self, limits: Limits) -> str:
        """Why a run has to wait for the database now; empty where it need not."""
        return self._strain.look(limits)

    def alive(self) -> int:
        """Registers this process as a worker."""
        return self._life.alive()

    def close(self) -> None:
        """Gives every connection back; safe to call again."""
        self._life.close()
        self.database.close()


def open_landing(url: str, migration: Migration) -> tuple[PostgresHome, LandingTable]:
    """The database at this URL, and the table in it where points arrive; connects, changes nothing.

    Raises:
        Refused: the server does not let limosa in, or cannot take points.
    """
    database = Database(url)
    try:
        site = site_of(database, migration)
    except BaseException:
        database.close()
        raise
    home = PostgresHome(
        database, Runner(database, site, site.server), ChangeTable(database, site.id), LedgerNotes(site.id)
    )
    return home, LandingTable(database, site, migration.index, migration.match)
