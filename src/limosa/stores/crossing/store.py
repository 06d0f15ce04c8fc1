"""A collection and a landing as one store, opened for one migration."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np

from limosa.model.batch import Key
from limosa.model.migration import Migration
from limosa.model.operation import Operation, Step
from limosa.model.place import Text
from limosa.model.plan import Check
from limosa.model.point import Collected, Point, VectorSpec
from limosa.model.space import Space
from limosa.model.strain import Limits
from limosa.ports.capture import Change
from limosa.ports.carried import Looked
from limosa.ports.collection import Collection
from limosa.ports.examination import Scrutiny
from limosa.ports.home import Home
from limosa.ports.landing import Landing
from limosa.ports.search import OldOrNew
from limosa.ports.store import Capabilities, Ends, Facts, Runner
from limosa.ports.tx import Begin, Tx
from limosa.stores.crossing.comparing import CrossedPoints, classes
from limosa.stores.crossing.identities import identity_checks
from limosa.stores.crossing.landing import PAGE_KEYS, CollectionLanding
from limosa.stores.crossing.naming import identity_names, text_checks
from limosa.stores.crossing.points import BackSource, BackTarget, PointSource, PointTarget, text_of
from limosa.stores.crossing.runner import CollectionRunner, dropping
from limosa.stores.crossing.spaces import made_by, one_vector, space_checks, stored_vectors, words_of

__all__ = ["CrossingStore", "CrossingWitness", "LookingAgain"]

SAMPLE = 1000
"""Points that plan looks at: a field that one in a hundred has is missed once in 20,000 times."""


class CrossingStore:
    """Reads from the one and writes to the other.

    Args:
        close: gives up what both hold.
    """

    def __init__(
        self, migration: Migration, source: Collection, landing: Landing, home: Home, *, close: ExitStack
    ) -> None:
        assert migration.copy is not None  # noqa: S101 - opened for a copy only
        self.migration = migration
        self.source = source
        self.landing = landing
        self.home = home
        form, self._identity = migration.copy.target, migration.copy.identity
        self.points = CrossedPoints(
            source,
            landing,
            home,
            migration.target.place.table,
            form.vectors[0][0] if form is not None else None if migration.carries else "",
            alone=self._identity is None,
            made=None if migration.carries else migration.target.space.dimensions,
            metric=migration.index.metric if migration.index is not None else None,
        )
        self.capture = LookingAgain(home, self.points)
        self._close = close

    @property
    def capabilities(self) -> Capabilities:
        """What the landing's database can do."""
        return replace(self.home.capabilities, searched=self.landing.searched)

    @property
    def place(self) -> str:
        """Names the vectors that a migration claims, the same from every machine."""
        return f"{self.migration.target.place.table}.{self.migration.target.place.vector}"

    @property
    def begin(self) -> Begin:
        """Opens transactions."""
        return self.home.begin

    @property
    def runner(self) -> Runner:
        """Carries out operations."""
        collection = self.landing.collection if isinstance(self.landing, CollectionLanding) else None
        return CollectionRunner(self.home.runner, self.source, self.landing, collection)

    def inspect(self) -> Facts:
        """What can be said of both before anything is touched; changes nothing."""
        collected = self.source.describe()
        sample = self.source.read(None, SAMPLE)
        texts = self._texts(sample)
        found = self.landing.ground(self._wanted(collected), sample)
        checks = list(found.checks)
        made, text = self._identity, self._text
        checks += identity_names(sample, made) if made is not None else []
        if self._made is None or self._old is not None:
            checks += space_checks(collected.vectors, self._stated or self._old, self.source.title)
        checks += one_vector(collected.vectors, self.source.title) if self._old is not None else []
        refused = any(check.verdict == "refused" for check in checks)
        checks += text_checks(sample, text, without=len(sample) - len(texts)) if text is not None else []
        if not collected.points:
            checks.append(Check(name="rows", verdict="note", said=f"{self.source.title} is empty."))
        stored = stored_vectors(sample, text) if text is not None and self._old is not None else []
        return Facts(
            checks=tuple(checks),
            counts={"rows": collected.points} | ({"to_embed": collected.points} if self._text is not None else {}),
            sizes=found.sizes,
            texts=tuple(texts),
            characters=sum(map(len, texts)) / len(texts) if texts else 0.0,
            operations=(*found.operations, *self._last()),
            stored_texts=tuple(told for told, _ in stored),
            stored_vectors=np.stack([vector for _, vector in stored]) if stored else None,
            thorough=(lambda: identity_checks(self.source, made)) if made is not None and not refused else tuple,
        )

    def _last(self) -> list[Operation]:
        """What finish may do with the old side."""
        copy = self.migration.copy
        table = copy is not None and copy.source is not None
        return [] if table else [dropping(self.source, self.migration.source.place.table)]

    def _wanted(self, collected: Collected) -> Collected:
        """What lands: the points' own vectors, or the one that is made."""
        if self._made is None:
            return replace(collected, vectors=made_by(collected.vectors, self._stated))
        old = next(iter(collected.vectors.values()), VectorSpec(name=self._made))
        dimensions = self.migration.target.space.dimensions
        made = replace(
            old,
            name=self._made,
            kind="dense",
            dimensions=dimensions,
            unit=False,
            space=words_of(self.migration.target.space),
        )
        return replace(collected, vectors={self._made: made})

    def _texts(self, sample: Sequence[Point]) -> list[str]:
        text = self._text
        return [] if text is None else [told for each in sample if (told := text_of(each, text))]

    @property
    def _text(self) -> Text | None:
        return None if self.migration.carries else self.migration.target.place.text

    @property
    def _stated(self) -> Space | None:
        """What the file says of the vectors that are carried."""
        return self.migration.copy.space if self.migration.copy is not None else None

    @property
    def _old(self) -> Space | None:
        """What the file says of the vectors that stay behind, while others are made; None where it says nothing."""
        return self.migration.source.space if self.migration.asks_old else None

    @property
    def _made(self) -> str | None:
        """The name of the vector that is made, in a collection the one without a name; None where they are carried."""
        return None if self.migration.carries else self.points.vector

    def amends(self, step: Step, epoch: int) -> list[Operation]:
        """None: neither side has parts that come and go."""
        return []

    def ends(self, epoch: int, *, back: bool = False) -> Ends:
        """Source and target; from the switch on what changes where the points landed flows back."""
        if epoch % 2:
            changed = BackSource(self.landing, self.source, self._text)
            return Ends(changed, BackTarget(self.begin, self.source, changed))
        source = PointSource(self.source, self._text)
        return Ends(source, PointTarget(self.begin, self.landing, source, self._made))

    def witness(self, epoch: int) -> CrossingWitness:
        """What can be said of the points."""
        return CrossingWitness(self, epoch)

    def strain(self, limits: Limits) -> str:
        """Why a run has to wait for the landing's database now; empty where it need not."""
        return self.home.strain(limits)

    def alive(self) -> int:
        """Registers this process as a worker; the number stays taken until the process ends."""
        return self.home.alive()

    def close(self) -> None:
        """Gives every connection back; safe to call again."""
        self._close.close()


@dataclass(frozen=True, slots=True)
class LookingAgain:
    """Capture where the source tells nothing of its changes: both sides are held against each other."""

    home: Home
    points: CrossedPoints

    def take(self, limit: int) -> list[Change]:
        """The oldest keys that were found, in order; they stay until settled."""
        return self.home.changes.take(limit)

    def note(self, keys: Sequence[Key], tx: Tx) -> None:
        """Queues keys that must be read again."""
        self.home.changes.note(keys, tx)

    def settle(self, ids: Sequence[int], tx: Tx) -> None:
        """Removes exactly these."""
        self.home.changes.settle(ids, tx)

    def outstanding(self, tx: Tx) -> int:
        """How many wait, as this transaction sees it."""
        return self.home.changes.outstanding(tx)

    def intact(self) -> str | None:
        """What is wrong with what notes the application's changes after the switch."""
        return self.points.landing.intact()

    def unseen(self, *, switched: bool, emptied: bool = False) -> Iterator[Looked]:
        """Points that came, went or changed, page by page."""
        if switched and self.points.landing.watched:
            return iter(())
        return replace(self.points, switched=switched).exact().looked(emptied=emptied)


@dataclass(frozen=True, slots=True)
class CrossingWitness:
    """What two stores say of a migration between them."""

    store: CrossingStore
    epoch: int

    def classify(self, after: Key | None, upper: Key | None, tx: Tx) -> dict[str, int]:
        """Points in (after, upper] by class: the ledger in the snapshot of ``tx``, both stores as they are now."""
        totals = dict.fromkeys(("pending", "dead", "skipped", "done", "lost"), 0)
        points = self._points
        for keys in self._pages(after, upper):
            known = classes(self.store.source, self.store.home, keys, tx)
            rest = [key for key in keys if key not in known]
            there = points.kept(rest, bare=True)
            lost = [key for key in rest if key not in there]
            # It may have gone while it was looked for: that is no loss.
            lost = [each.key for each in points.fetch(lost)] if lost else []
            for kind in known.values():
                totals[kind] += 1
            totals["done"] += len(there)
            totals["lost"] += len(lost)
        return totals

    def _pages(self, after: Key | None, upper: Key | None) -> Iterator[list[Key]]:
        if self._points.turned:
            # Ranges are of the old side's order, and the new side may have another: the first one holds all.
            yield from self.store.landing.pages(PAGE_KEYS) if after is None else ()
            return
        while page := self._keys(after):
            keys = page
            if upper is not None:
                order = self.store.source.order
                keys = page[: bisect_right(page, order(upper), key=order)]
            if keys:
                yield keys
            if len(keys) < len(page):
                return
            after = page[-1]

    def _keys(self, after: Key | None) -> list[Key]:
        return [each.key for each in self.store.source.read(after, PAGE_KEYS, bare=True)]

    @property
    def _points(self) -> CrossedPoints:
        return replace(self.store.points, switched=self.epoch % 2 == 1)

    def search(self, side: OldOrNew) -> None:
        """None: points are searched as they were carried."""
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

    def carried(self) -> CrossedPoints:
        """What can be said of the points that were carried."""
        return self._points.exact()
