"""The table: points are written by COPY, read as they came, and searched."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from psycopg import errors as pg

from limosa.errors import Transient
from limosa.model.batch import Key, Vectors, Written
from limosa.model.migration import Index, Match
from limosa.model.point import Collected, Metric, Point, Scalar
from limosa.ports.carried import BuiltIndex
from limosa.ports.landing import Ground
from limosa.ports.tx import Tx
from limosa.stores.postgres.database import Database, PostgresTx
from limosa.stores.postgres.landing.columns import Arrived
from limosa.stores.postgres.landing.made import CARRIED_IDS, MadeIds, made_ids
from limosa.stores.postgres.landing.making import ground, vector_index
from limosa.stores.postgres.landing.reading import PointReader
from limosa.stores.postgres.landing.rows import Packed, blocks, canonical, packed_parts
from limosa.stores.postgres.landing.site import Site
from limosa.stores.postgres.landing.switching import EVENTS, QUIET, intact_query, switching
from limosa.stores.postgres.names import quoted

__all__ = ["LandingTable"]

_SAVE, _BACK = "SAVEPOINT limosa_points", "ROLLBACK TO SAVEPOINT limosa_points"


@dataclass
class LandingTable:
    """The table of one migration.

    Attributes:
        index: as the file asks for it; None for the graph that the source has.
    """

    database: Database
    site: Site
    index: Index | None
    match: Match | None = None

    @property
    def watched(self) -> bool:
        """Yes: by triggers."""
        return True

    @property
    def searched(self) -> bool:
        """Yes."""
        return True

    @property
    def filters(self) -> str:
        """By every field, in whichever column it stands."""
        return ".+"

    @cached_property
    def arrived(self) -> Arrived:
        """Its columns, once it stands."""
        with self.database.autocommit() as tx:
            found = self.site.standing(tx)
        if found is None:
            raise Transient(
                f"{self.site.relation} is not there now: another process has taken it back.",
                do="Repeat the command; it looks again at where the migration stands.",
            )
        return found

    def ground(self, collected: Collected, sample: Sequence[Point]) -> Ground:
        """What has to be made for such points; changes nothing."""
        # A plan is made where nothing stands: what stood before was taken back.
        self.__dict__.pop("arrived", None)
        with self.database.begin() as tx:
            return ground(self.site, collected, sample, index=self.index, match=self.match, tx=tx)

    def write(self, points: Sequence[Point], tx: Tx) -> Written:
        """Stores the points, each in the place of what stood under its key."""
        assert isinstance(tx, PostgresTx)  # noqa: S101 - the ports promise that begin and write belong together
        arrived = self.arrived
        made = self._made(points, tx)
        tx.send_raw(QUIET)
        self._delete([point.key for point in points], tx)
        landed: list[int] = []
        rejected: list[tuple[int, str]] = []

        def parts() -> Iterator[Packed]:
            for part in packed_parts(points, arrived, made):
                landed.extend(part.places)
                rejected.extend(part.unfit.items())
                yield part

        names = ", ".join(quoted(each.name) for each in arrived.fields)
        made_now = parts()
        tx.send_raw(_SAVE)
        try:
            tx.copy(f"COPY {self.site.relation.sql} ({names}) FROM STDIN (FORMAT binary)", blocks(made_now))
        except pg.UniqueViolation:
            # Another worker has just written one of them: whoever follows reads it again.
            tx.send_raw(_BACK)
            # What was not sent any more is told too.
            deque(made_now, maxlen=0)
            return Written((), moved=landed, rejected=rejected)
        return Written(landed, rejected=rejected)

    def erase(self, keys: Sequence[Key], tx: Tx) -> None:
        """Takes these points away."""
        assert isinstance(tx, PostgresTx)  # noqa: S101
        tx.send_raw(QUIET)
        self._delete(keys, tx)

    def units(self) -> frozenset[str]:
        """None: vectors stay as they came."""
        return frozenset()

    def told(self, point: Point) -> Point:
        """The point as it will be told once it has landed: times in UTC, UUIDs in lower case."""
        return canonical(point, self.arrived)

    def fetch(self, keys: Sequence[Key], *, bare: bool = False) -> list[Point]:
        """These points as the source would tell them."""
        return self._reader.fetch(keys, bare=bare)

    def keys(self, after: Key | None, limit: int) -> list[Key]:
        """Keys of what is there, in the table's order."""
        return [each.key for each in self._reader.read(after, limit, bare=True)]

    def nearest(
        self,
        name: str,
        vector: Vectors,
        k: int,
        *,
        metric: Metric,
        exact: bool = False,
        where: Mapping[str, Scalar] | None = None,
    ) -> list[tuple[Key, float]]:
        """At most k keys and similarities, nearest first."""
        return self._reader.nearest(name, vector, k, metric=metric, exact=exact, where=where)

    def indexes(self) -> list[BuiltIndex]:
        """The indexes of the table, and those on its vectors that are not there."""
        with self.database.begin() as tx:
            found = dict(
                tx.raw(
                    "SELECT c.relname, i.indisvalid FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid"
                    " WHERE i.indrelid = to_regclass($1) AND NOT i.indisprimary ORDER BY c.relname",
                    self.site.relation.sql,
                )
            )
        wanted = {
            vector_index(self.site, each).name
            for each in self.arrived.of("vector")
            if each.type == "vector" and self.site.build
        }
        return [BuiltIndex(name, bool(found.get(name))) for name in sorted({*found, *wanted})]

    def intact(self) -> str | None:
        """What is wrong with the triggers that note what flows back; None where they stand, or need not yet."""
        with self.database.begin() as tx:
            live = tx.raw(next(each.probe for each in switching(self.site, self.arrived) if each.id == "switch"))[0][0]
            stand = int(tx.raw(intact_query(self.site))[0][0])
        if not live or stand == len(EVENTS):
            return None
        missing = len(EVENTS) - stand
        return f"{missing} of {len(EVENTS)} triggers on {self.site.relation} are missing or not ENABLE ALWAYS."

    def _made(self, points: Sequence[Point], tx: PostgresTx) -> MadeIds:
        """The ids that points get, where they are made."""
        made = self.site.form.made
        if made is None:
            return CARRIED_IDS
        return made_ids(points, made, lambda ids: self._standing(made.column, ids, tx))

    def _standing(self, column: str, ids: Sequence[str], tx: PostgresTx) -> dict[str, str]:
        """Of these ids those that rows have already, and by which old id the row is known."""
        cells = f"t.{quoted(column)}::text, t.{quoted(self.arrived.key.name)}"
        sql = f"SELECT {cells} FROM {self.site.relation.sql} AS t WHERE t.{quoted(column)} = ANY($1::uuid[])"
        return dict(tx.raw(sql, list(ids)))

    @property
    def _reader(self) -> PointReader:
        return PointReader(self.database, self.site.relation, self.arrived, self.site.schema)

    def _delete(self, keys: Sequence[Key], tx: PostgresTx) -> None:
        fitting = self._reader.fitting(keys)
        if fitting:
            key = self.arrived.key
            tx.raw(
                f"DELETE FROM {self.site.relation.sql} AS t USING unnest($1::text[]) AS s(k)"
                f" WHERE t.{quoted(key.name)} = s.k::{key.type}",
                fitting,
                # A plan that was kept is one for the table as small as it was.
                prepare=False,
            )
