"""A collection as the place where points land: made by operations, written first and settled in the ledger after."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from limosa.model.batch import Key, Vectors, Written
from limosa.model.identity import Identity
from limosa.model.migration import Index
from limosa.model.operation import Operation
from limosa.model.plan import Check
from limosa.model.point import Collected, IdKind, Metric, Point, Scalar, VectorSpec
from limosa.ports.carried import BuiltIndex
from limosa.ports.collection import Collection
from limosa.ports.home import Landed
from limosa.ports.landing import Ground
from limosa.ports.tx import Tx
from limosa.stores.crossing.renaming import Names

__all__ = ["DROP", "MADE", "MAKE", "PAGE_KEYS", "STANDS", "CollectionLanding"]

PAGE_KEYS = 10_000
"""Ids that are asked for at once, or classed."""

MADE = "make-collection"
"""The operation that makes the collection."""

MAKE = "MAKE COLLECTION "
DROP = "DROP COLLECTION "
STANDS = "IS THERE COLLECTION "
"""The words in which operations speak of a collection; everything else is said to the ledger's own database."""

_WIDER: dict[IdKind, tuple[IdKind, ...]] = {
    "uint63": ("uint63", "uint64", "mixed", "text"),
    "uint64": ("uint64", "mixed", "text"),
    "uuid": ("uuid", "mixed", "text"),
    "mixed": ("mixed", "text"),
    "text": ("text",),
}
"""Each kind of id, and those that hold it too."""


@dataclass(frozen=True, slots=True)
class CollectionLanding:
    """A collection of one migration.

    Attributes:
        landed: what landed; where ids are made, also under which.
        switched: a query to the ledger's database: does the application read this collection?
        ours: whether this migration made what is there, or was about to.
        index: the graph that the file asks for; None for the source's own.
        identity: how ids are made; None where they are carried.
    """

    collection: Collection
    landed: Landed
    switched: str
    ours: Callable[[], bool]
    index: Index | None = None
    identity: Identity | None = None

    @property
    def names(self) -> Names:
        """Which id each point has there."""
        return Names(self.landed, self.identity)

    @property
    def watched(self) -> bool:
        """No: such a store tells nobody of its changes."""
        return False

    @property
    def searched(self) -> bool:
        """Whether applications search such a store."""
        return self.collection.holds.searched

    @property
    def filters(self) -> str:
        """Which fields the store filters by."""
        return self.collection.holds.filters

    def ground(self, collected: Collected, sample: Sequence[Point]) -> Ground:
        """What has to be made for such points; changes nothing."""
        wanted = replace(collected, vectors={name: self._graph(each) for name, each in collected.vectors.items()})
        if self.identity is not None:
            wanted = replace(wanted, ids="uuid", indexed={**wanted.indexed, self.identity.old: "keyword"})
        title = self.collection.title
        listing, dropped = self.landed.operations(title)
        made = Operation(
            id=MADE,
            step="expand",
            title=f"Make {title} for {_told(wanted)}",
            do=(MAKE + json.dumps(asdict(wanted), sort_keys=True),),
            undo=(DROP + title,),
            probe=STANDS + title,
            transactional=False,
        )
        switch = Operation(
            id="switch",
            step="cutover",
            title=f"Record that the application reads {title} from now on",
            do=("SELECT 1",),
            undo=("SELECT 1",),
            probe=self.switched,
        )
        checks = (*self._checks(wanted), *self._kept(sample))
        return Ground(checks=checks, operations=(listing, made, switch, dropped))

    def _graph(self, each: VectorSpec) -> VectorSpec:
        if self.index is None or each.kind != "dense":
            return each
        return replace(each, metric=self.index.metric, m=self.index.m, ef_construction=self.index.ef_construction)

    def _checks(self, wanted: Collected) -> Iterator[Check]:
        holds, title = self.collection.holds, self.collection.title
        if self.collection.stands() and not self.ours():
            yield _refused(
                "collection",
                f"{title} is there already.",
                "A name that is free: the points get a collection of their own.",
                "Give collection in [target] another name, or drop that one.",
            )
        if not holds.ids & set(_WIDER[wanted.ids]):
            listed = _IDS["mixed"] if "mixed" in holds.ids else " or ".join(sorted(_IDS[each] for each in holds.ids))
            said = f"Ids of the source are {_IDS[wanted.ids]}, and {title} takes {listed}."
            yield _refused("ids", said, "Ids that both can hold.", "Copy to a table, or to a store that takes texts.")
        if len(wanted.vectors) > 1 and not holds.several:
            said = f"The source has the vectors {', '.join(map(repr, wanted.vectors))}, and {title} holds one a point."
            yield _refused("vectors", said, "One vector a point.", "Copy to a store that names them.")
        for name, each in wanted.vectors.items():
            called = f"The vector {name!r}" if name else "The vector"
            if each.kind not in holds.kinds:
                said = f"{called} is a {each.kind} one, which {title} cannot hold."
                yield _refused("vectors", said, "Vectors that both can hold.", "Copy to a store that holds them.")
            elif each.kind == "dense" and each.metric not in holds.metrics:
                said = f"{called} is compared by {each.metric}, which {title} does not know."
                metrics = ", ".join(sorted(holds.metrics))
                yield _refused("vectors", said, f"One of {metrics}.", "Set metric in [target.index].")
            elif holds.dimensions is not None and (each.dimensions or 0) > holds.dimensions:
                said = f"{called} has {each.dimensions} dimensions, and {title} takes {holds.dimensions}."
                yield _refused("vectors", said, "Fewer dimensions.", "Copy to a store that takes them.")

    def _kept(self, sample: Sequence[Point]) -> Iterator[Check]:
        """The field that is to keep the old ids is free."""
        if self.identity is not None and any(self.identity.old in each.payload for each in sample):
            yield _refused(
                "ids",
                f"Payloads have a field {self.identity.old} already, which would keep the ids that points had.",
                "A field that no payload has.",
                "Set old in [target.key] to another name.",
            )

    def units(self) -> frozenset[str]:
        """Vectors that the store keeps at length 1."""
        return frozenset(name for name, each in self.collection.describe().vectors.items() if each.unit)

    def told(self, point: Point) -> Point:
        """The point itself: a collection tells payloads as they came."""
        return point

    def write(self, points: Sequence[Point], tx: Tx) -> Written:
        """Stores the points; they stand before the ledger says so, and are written again where that fails."""
        renamed = self.names.renamed(points, tx)
        if renamed.left:
            # Another point may be about to have the id that one of these had.
            self.collection.erase(list(renamed.left.values()))
            self.landed.forget(list(renamed.left), tx)
        ready = list(renamed.points)
        refused = self.collection.write(list(renamed.points.values()))
        rejected = [*renamed.without.items(), *((ready[at], why) for at, why in refused)]
        bad = {place for place, _ in rejected}
        landed = [place for place in ready if place not in bad]
        self.landed.note({points[place].key: renamed.points[place].key for place in landed}, tx)
        return Written(landed, rejected=rejected)

    def erase(self, keys: Sequence[Key], tx: Tx) -> None:
        """Takes these points away."""
        self.collection.erase(list(self.names.ids(keys, tx).values()))
        self.landed.forget(keys, tx)

    def fetch(self, keys: Sequence[Key], *, bare: bool = False) -> list[Point]:
        """These points, under the keys and with the payloads that they had."""
        if self.identity is None:
            return self.collection.fetch(keys, bare=bare)
        with self.landed.begin(snapshot=True) as tx:
            of = {id_: key for key, id_ in self.names.ids(keys, tx).items()}
        return [self.names.told(each, of[each.key]) for each in self.collection.fetch(list(of), bare=bare)]

    def pages(self, limit: int) -> Iterator[list[Key]]:
        """Keys of what is there, in the collection's order."""
        after: Key | None = None
        while found := [each.key for each in self.collection.read(after, limit, bare=True)]:
            yield self.names.keys(found)
            if len(found) < limit:
                return
            after = found[-1]

    def listed(self) -> Iterator[tuple[list[Key], list[Key]]]:
        """Pages of the list, with the keys of which no point is there."""
        after: Key | None = None
        while keys := self._behind(after):
            there = {each.key for each in self.fetch(keys, bare=True)}
            yield keys, [key for key in keys if key not in there]
            after = keys[-1]

    def _behind(self, after: Key | None) -> list[Key]:
        with self.landed.begin(snapshot=True) as tx:
            return self.landed.behind(after, PAGE_KEYS, tx)

    def note(self, keys: Sequence[Key], tx: Tx) -> None:
        """Lists them, so that it is seen when they go."""
        self.landed.note(self.names.ids(keys, tx), tx)

    def forget(self, keys: Sequence[Key], tx: Tx) -> None:
        """Takes them off the list."""
        self.landed.forget(keys, tx)

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
        """At most k ids with the store's own score, best first; a store decides by itself what it asks."""
        found = self.collection.nearest(name, vector, k, where=where)
        keys = self.names.keys([id_ for id_, _ in found])
        return [(key, near) for key, (_, near) in zip(keys, found, strict=True)]

    def indexes(self) -> list[BuiltIndex]:
        """None to tell of: such a store builds by itself."""
        return []

    def intact(self) -> str | None:
        """None: nothing notes changes here; they are looked for."""
        return None


_IDS: dict[IdKind, str] = {
    "uint63": "whole numbers below 2^63",
    "uint64": "whole numbers below 2^64",
    "uuid": "UUIDs",
    "mixed": "whole numbers and UUIDs",
    "text": "texts",
}


def _refused(name: str, said: str, needed: str, do: str) -> Check:
    return Check(name=name, verdict="refused", said=said, needed=needed, do=do)


def _told(wanted: Collected) -> str:
    told = (f"{name or 'vectors'} of {each.dimensions or 'any'} dimensions" for name, each in wanted.vectors.items())
    return ", ".join(told) or "points without vectors"
