"""The table: points are written by COPY, read as they came, and searched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from limosa.errors import Transient
from limosa.model.batch import Key, Vectors, Written
from limosa.model.identity import CARRIED_IDS, MadeIds, made_ids
from limosa.model.migration import Index, Match
from limosa.model.point import Collected, Metric, Point, Scalar
from limosa.ports.carried import BuiltIndex
from limosa.ports.landing import Ground
from limosa.ports.tx import Tx
from limosa.stores.postgres.changes import ChangeTable
from limosa.stores.postgres.database import Database, PostgresTx
from limosa.stores.postgres.landing.columns import Arrived
from limosa.stores.postgres.landing.listing import Listing, listing_of
from limosa.stores.postgres.landing.making import ground, vector_index
from limosa.stores.postgres.landing.reading import PointReader
from limosa.stores.postgres.landing.rows import canonical
from limosa.stores.postgres.landing.site import Site, settled
from limosa.stores.postgres.landing.standing import VECTOR_METHODS, standing_indexes
from limosa.stores.postgres.landing.switching import EVENTS, QUIET, intact_query
from limosa.stores.postgres.landing.writing import IMMEDIATE, UNHURRIED, Batch
from limosa.stores.postgres.names import quoted

__all__ = ["LandingTable"]


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
            self.site = settled(self.site, tx)
            return ground(self.site, collected, sample, index=self.index, match=self.match, tx=tx)

    def write(self, points: Sequence[Point], tx: Tx) -> Written:
        """Stores the points, each in the place of what stood under its key; no row that is no point is touched."""
        assert isinstance(tx, PostgresTx)  # noqa: S101 - the ports promise that begin and write belong together
        made = self._made(points, tx)
        tx.send_raw(QUIET, IMMEDIATE, UNHURRIED)
        batch = Batch(points, self.arrived, self._listing, made, tx)
        return batch.write(self._reader.fitting([point.key for point in points]))

    def erase(self, keys: Sequence[Key], tx: Tx) -> None:
        """Takes these points away; those that somebody has locked are noted, and looked at again."""
        assert isinstance(tx, PostgresTx)  # noqa: S101
        tx.send_raw(QUIET)
        fitting = self._reader.fitting(keys)
        ours = [key for key, point in self._listing.standing(fitting, tx).items() if point] if fitting else []
        if ours:
            left = sorted({*ours} - self._listing.delete(ours, tx))
            ChangeTable(self.database, self.site.id).note([(key,) for key in left], tx)

    def units(self) -> frozenset[str]:
        """None: vectors stay as they came."""
        return frozenset()

    def told(self, point: Point) -> Point:
        """The point as it will be told once it has landed: times in UTC, UUIDs in lower case."""
        return canonical(point, self.arrived)

    def fetch(self, keys: Sequence[Key], *, bare: bool = False) -> list[Point]:
        """These points as the source would tell them."""
        return self._reader.fetch(keys, bare=bare)

    def pages(self, limit: int) -> Iterator[list[Key]]:
        """Keys of what is there, in the table's order."""
        after: Key | None = None
        while keys := [each.key for each in self._reader.read(after, limit, bare=True)]:
            yield keys
            after = keys[-1]

    def listed(self) -> Iterator[tuple[list[Key], list[Key]]]:
        """None: triggers note it."""
        return iter(())

    def note(self, keys: Sequence[Key], tx: Tx) -> None:
        """Nothing: see ``listed``."""

    def forget(self, keys: Sequence[Key], tx: Tx) -> None:
        """Nothing: see ``listed``."""

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
        """The indexes of the table, of one of the application's those on the vectors; and those that are not there."""
        with self.database.begin() as tx:
            found = standing_indexes(self.site.relation, tx)
        dense = [each for each in self.arrived.of("vector") if each.type == "vector" and self.site.build]
        if self.site.listed is None:
            told = {each.name: each.valid for each in found if not each.primary}
            told |= {name: False for each in dense if (name := vector_index(self.site, each).name) not in told}
        else:
            told = {each.name: True for each in found if each.valid and each.method in VECTOR_METHODS}
            indexed = {each.column for each in found if each.name in told}
            told |= {vector_index(self.site, each).name: False for each in dense if each.name not in indexed}
        return [BuiltIndex(name, valid) for name, valid in sorted(told.items())]

    def intact(self) -> str | None:
        """What is wrong with the triggers that note what flows back; None where they stand, or need not yet."""
        with self.database.begin() as tx:
            site = self.site
            needed = tx.raw(site.made if site.listed is not None else site.in_use)[0][0]
            stand = int(tx.raw(intact_query(site))[0][0])
        if not needed or stand == len(EVENTS):
            return None
        missing = len(EVENTS) - stand
        return f"{missing} of {len(EVENTS)} triggers on {site.relation} are missing or not ENABLE ALWAYS."

    def _made(self, points: Sequence[Point], tx: PostgresTx) -> MadeIds:
        """The ids that points get, where they are made."""
        made = self.site.form.made
        if made is None:
            return CARRIED_IDS
        return made_ids(points, made, lambda ids: self._standing(made.column, ids, tx))

    def _standing(self, column: str, ids: Sequence[str], tx: PostgresTx) -> dict[str, str]:
        """Of these ids those that rows have already, and by which old id the row is known; empty for no point's."""
        site, key = self.site, quoted(self.arrived.key.name)
        owner, joined = f"t.{key}", ""
        if site.listed is not None:
            owner, joined = "coalesce(l.key, '')", f" LEFT JOIN {site.listed.sql} AS l ON l.key = t.{key}"
        cells, table = f"t.{quoted(column)}::text, {owner}", site.relation.sql
        return dict(
            tx.raw(f"SELECT {cells} FROM {table} AS t{joined} WHERE t.{quoted(column)} = ANY($1::uuid[])", list(ids))
        )

    @property
    def _reader(self) -> PointReader:
        site = self.site
        return PointReader(self.database, site.relation, self.arrived, site.schema, site.listed)

    @property
    def _listing(self) -> Listing:
        return listing_of(self.site, self.arrived)
