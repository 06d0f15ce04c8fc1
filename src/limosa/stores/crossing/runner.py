"""Operations that speak of collections are carried out in their stores, everything else in the ledger's database."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from limosa.errors import ProofFailed, Refused
from limosa.model.batch import Key
from limosa.model.operation import Operation
from limosa.model.point import Collected, VectorSpec
from limosa.ports.collection import Collection
from limosa.ports.landing import Landing
from limosa.ports.store import Progress, Runner, Turn
from limosa.ports.tx import Tx
from limosa.stores.crossing.landing import DROP, MAKE, PAGE_KEYS, STANDS, CollectionLanding

__all__ = ["CollectionRunner", "dropping", "require_all"]

DROP_OLD, OLD_IS_GONE = "DROP OLD COLLECTION ", "IS GONE OLD COLLECTION "
"""The words in which operations speak of the collection that points come from."""


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


def _collected(given: dict[str, object]) -> Collected:
    vectors = given["vectors"]
    if not isinstance(vectors, dict):
        raise Refused("The locked plan cannot be read.", do="limosa rollback FILE, then run again.")
    specs = {name: VectorSpec(**each) for name, each in vectors.items()}
    return Collected(**{**given, "vectors": specs})  # type: ignore[arg-type]
