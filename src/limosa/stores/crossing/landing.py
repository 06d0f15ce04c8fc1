"""A collection as the place where points land: made by operations, written first and settled in the ledger after."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace

from limosa.errors import ProofFailed, Refused
from limosa.model.batch import Key, Vectors, Written
from limosa.model.migration import Index
from limosa.model.operation import Operation
from limosa.model.plan import Check
from limosa.model.point import Collected, IdKind, Metric, Point, Scalar, VectorSpec
from limosa.ports.carried import BuiltIndex
from limosa.ports.collection import Collection
from limosa.ports.landing import Ground, Landing
from limosa.ports.store import Progress, Runner, Turn
from limosa.ports.tx import Tx

__all__ = ["MADE", "CollectionLanding", "CollectionRunner", "dropping", "require_all"]

PAGE_KEYS = 10_000
"""Ids that are asked for at once."""

MADE = "make-collection"
"""The operation that makes the collection."""

MAKE, DROP, STANDS = "MAKE COLLECTION ", "DROP COLLECTION ", "IS THERE COLLECTION "
DROP_OLD, OLD_IS_GONE = "DROP OLD COLLECTION ", "IS GONE OLD COLLECTION "
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
        switched: a query to the ledger's database: does the application read this collection?
        ours: whether this migration made what is there, or was about to.
        index: the graph that the file asks for; None for the source's own.
    """

    collection: Collection
    switched: str
    ours: Callable[[], bool]
    index: Index | None = None

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
        title = self.collection.title
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
        return Ground(checks=tuple(self._checks(wanted)), operations=(made, switch))

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

    def units(self) -> frozenset[str]:
        """Vectors that the store keeps at length 1."""
        return frozenset(name for name, each in self.collection.describe().vectors.items() if each.unit)

    def told(self, point: Point) -> Point:
        """The point itself: a collection tells payloads as they came."""
        return point

    def write(self, points: Sequence[Point], tx: Tx) -> Written:
        """Stores the points; they stand before the ledger says so, and are written again where that fails."""
        rejected = self.collection.write(points)
        bad = {place for place, _ in rejected}
        return Written([place for place in range(len(points)) if place not in bad], rejected=rejected)

    def erase(self, keys: Sequence[Key], tx: Tx) -> None:
        """Takes these points away."""
        self.collection.erase(keys)

    def fetch(self, keys: Sequence[Key], *, bare: bool = False) -> list[Point]:
        """These points."""
        return self.collection.fetch(keys, bare=bare)

    def keys(self, after: Key | None, limit: int) -> list[Key]:
        """Ids of what is there, in the collection's order."""
        return [each.key for each in self.collection.read(after, limit, bare=True)]

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
        return self.collection.nearest(name, vector, k, where=where)

    def indexes(self) -> list[BuiltIndex]:
        """None to tell of: such a store builds by itself."""
        return []

    def intact(self) -> str | None:
        """None: nothing notes changes here; they are looked for."""
        return None


def dropping(source: Collection, name: str) -> Operation:
    """Deletes the old collection; finish leaves it alone but where it is told the name."""
    return Operation(
        id="drop-old",
        step="finish",
        title=f"Delete {source.title}, only with --delete {name}",
        do=(DROP_OLD + source.title,),
        probe=OLD_IS_GONE + source.title,
        transactional=False,
    )


def require_all(source: Collection, landing: Landing) -> None:
    """Lets through only where every point of the old collection is in the new place too.

    Raises:
        ProofFailed: some are not, whatever the reason.
    """
    after: Key | None = None
    alone: list[str] = []
    while page := source.read(after, PAGE_KEYS, bare=True):
        keys = [each.key for each in page]
        there = {each.key for each in landing.fetch(keys, bare=True)}
        alone += [key[0] for key in keys if key not in there]
        after = keys[-1]
    if alone:
        named = ", ".join(alone[:3])
        raise ProofFailed(
            f"{len(alone):,} points are in {source.title} alone (for example {named}); nothing was deleted.",
            needed="Every point in the new place: none dead, none skipped, none written to the old one late.",
            do="limosa status FILE --failed lists what was not carried; what may go for all that, delete yourself.",
        )


@dataclass(frozen=True, slots=True)
class CollectionRunner:
    """Carries out what is said of collections, and leaves the rest to the ledger's own database.

    Attributes:
        collection: where points land; None where that is no collection.
    """

    inner: Runner
    source: Collection
    landing: Landing
    collection: Collection | None

    def apply(
        self, operation: Operation, note: Callable[[Tx], None], *, undo: bool = False, again: bool = False
    ) -> None:
        """Does or undoes one operation and notes it; making and dropping may be repeated."""
        statements = operation.undo if undo else operation.do
        words = (MAKE, DROP, DROP_OLD)
        if not any(each.startswith(words) for each in statements):
            self.inner.apply(operation, note, undo=undo, again=again)
            return
        for statement in statements:
            self._do(statement)
        self.inner.locked((), note)

    def _do(self, statement: str) -> None:
        if statement.startswith(DROP_OLD):
            require_all(self.source, self.landing)
            self.source.drop()
        elif self.collection is not None and statement.startswith(MAKE):
            self.collection.make(_collected(json.loads(statement.removeprefix(MAKE))))
        elif self.collection is not None:
            self.collection.drop()

    def locked(
        self,
        statements: tuple[str, ...],
        note: Callable[[Tx], None],
        *,
        first: Callable[[Tx], None] | None = None,
        proceed: Callable[[Tx], bool] | None = None,
    ) -> bool:
        """Runs statements in the ledger's own database."""
        return self.inner.locked(statements, note, first=first, proceed=proceed)

    def alone(self, what: Turn = "operations") -> AbstractContextManager[None]:
        """Keeps every other process from doing the same with this migration meanwhile."""
        return self.inner.alone(what)

    def stands(self, operation: Operation) -> bool:
        """Whether the operation's change is there.

        What is there of a collection may be half made, so that making is never taken for done: it may be repeated.

        Raises:
            Refused: somebody else has made a collection of that name since plan looked.
        """
        if operation.probe.startswith(OLD_IS_GONE):
            return not self.source.stands()
        if isinstance(self.landing, CollectionLanding) and operation.probe.startswith(STANDS):
            _require_ours(self.landing)
            return False
        return self.inner.stands(operation)

    def progress(self) -> Progress | None:
        """How far the ledger's database is with what it does."""
        return self.inner.progress()


def _require_ours(landing: CollectionLanding) -> None:
    """Lets through where nothing is there, or what this migration made.

    Raises:
        Refused: it is somebody else's.
    """
    if landing.collection.stands() and not landing.ours():
        raise Refused(
            f"{landing.collection.title} is there now, and this migration did not make it.",
            needed="A name that is free: the points get a collection of their own.",
            do="Give collection in [target] another name, or drop that one.",
        )


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


def _collected(given: dict[str, object]) -> Collected:
    vectors = given["vectors"]
    if not isinstance(vectors, dict):
        raise Refused("The locked plan cannot be read.", do="limosa rollback FILE, then run again.")
    specs = {name: VectorSpec(**each) for name, each in vectors.items()}
    return Collected(**{**given, "vectors": specs})  # type: ignore[arg-type]
