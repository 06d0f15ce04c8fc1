"""A collection of Milvus, read in the order of its ids."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from limosa.errors import Refused
from limosa.model.batch import Key, Vectors
from limosa.model.ids import KINDS
from limosa.model.point import Collected, Holds, Point, Scalar
from limosa.ports.asking import PATIENCE_S, ask_again, put_apart
from limosa.ports.listed import Listed, order_of

if TYPE_CHECKING:
    from limosa.stores.milvus.client import MilvusEngine
    from limosa.stores.milvus.fields import Fields

__all__ = ["MilvusCollection"]

MOST = 500
"""Points that are asked for or written together: of 1536 dimensions some 3 MB."""

HOLDS = Holds(
    ids=KINDS,
    kinds=frozenset({"dense", "sparse"}),
    metrics=frozenset({"cosine", "l2", "ip"}),
    several=True,
    bare=False,
    dimensions=32_768,
)
"""As milvus-lite 3.2 was seen to take them; the bound of dimensions is not yet proved. It tells a null vector as
zeros, and so none may be missing."""

_NUMBER = re.compile("-?[1-9][0-9]{0,18}|0")
_INTS = range(-(2**63), 2**63)

_T = TypeVar("_T")


class MilvusCollection:
    """One collection; threads may share it.

    Args:
        patience_s: how long a call is repeated before it raises Transient.
    """

    def __init__(self, engine: MilvusEngine, title: str, *, patience_s: float = PATIENCE_S) -> None:
        self.engine = engine
        self.title = title
        self._patience_s = patience_s
        self._listing = threading.Lock()
        self._ids: Listed | None = None
        self._known: Fields | None = None

    @property
    def holds(self) -> Holds:
        """Any number of vectors, which no point may lack; any text as an id."""
        return HOLDS

    def describe(self) -> Collected:
        """What it says of itself; ids are of the kind that they were when they were listed last."""
        self._fields(afresh=True)
        points = self._asked(self.engine.count)
        vectors = {each.name: each for each in self._fields().vectors.values()}
        return Collected(points=points, ids=self._listed().kind() if points else "text", vectors=vectors)

    def last(self) -> Key | None:
        """The last of the ids that are there now."""
        return self._listed(afresh=True).last()

    def order(self, key: Key) -> tuple[int, ...]:
        """Texts are in the order of their UTF-8, numbers in their own."""
        return order_of(key, numbers=self._fields().numbers)

    def read(self, after: Key | None, limit: int, *, bare: bool = False) -> list[Point]:
        """The points behind an id, in order; the ids are listed again where it begins at the beginning."""
        listed = self._listed(afresh=after is None)
        return listed.points(after, limit, lambda ids: self._got(ids, bare=bare), most=MOST)

    def fetch(self, keys: Sequence[Key], *, bare: bool = False) -> list[Point]:
        """These points, in any order; those that are not there, or could not be, are left out."""
        ids = self._valid(keys)
        return [each for start in range(0, len(ids), MOST) for each in self._got(ids[start : start + MOST], bare=bare)]

    def nearest(
        self, name: str, vector: Vectors, k: int, *, where: Mapping[str, Scalar] | None = None
    ) -> list[tuple[Key, float]]:
        """At most k ids with Milvus's score, best first."""
        from limosa.stores.milvus.fields import condition_of

        fields = self._fields()
        field = next(field for field, each in fields.vectors.items() if each.name == name)
        condition = condition_of(fields, where or {})
        if condition is None:
            return []
        found = self._asked(lambda: self.engine.nearest(fields, field, vector, k, condition))
        return [((each,), score) for each, score in found]

    def stands(self) -> bool:
        """Whether it is there."""
        return self._asked(self.engine.stands)

    def make(self, wanted: Collected) -> None:
        """Makes it, without a point, and with an index for each vector."""
        if not self.stands():
            self._asked(lambda: self.engine.make(wanted))

    def drop(self) -> None:
        """Takes it away with all that is in it."""
        self._ids = self._known = None
        if self.stands():
            self._asked(self.engine.drop)

    def write(self, points: Sequence[Point]) -> list[tuple[int, str]]:
        """Puts points in the place of what stood under their ids; of those with one id the last."""
        if not points:
            return []
        from limosa.stores.milvus.rows import unfit

        fields = self._fields(afresh=True)
        if not fields.given:
            raise Refused(
                "Milvus makes the ids of this collection itself.",
                needed="A collection without auto_id.",
                do="Name another collection, which limosa makes.",
            )
        why = [_id_unfit(each.key, fields) or unfit(each, fields) for each in points]
        rejected = [(place, each) for place, each in enumerate(why) if each]
        fitting = list({each.key: place for place, each in enumerate(points) if not why[place]}.values())

        def put(places: Sequence[int]) -> None:
            self._asked(lambda: self._upserted([points[i] for i in places], fields))

        for start in range(0, len(fitting), MOST):
            rejected += put_apart(put, fitting[start : start + MOST])
        if self._ids is not None:
            refused = {place for place, _ in rejected}
            self._ids.add(points[i].key[0] for i in fitting if i not in refused)
        return sorted(rejected)

    def erase(self, keys: Sequence[Key]) -> None:
        """Takes points away."""
        ids = self._valid(keys)
        for start in range(0, len(ids), MOST):
            self._asked(partial(self.engine.delete, self._fields(), ids[start : start + MOST]))
        if self._ids is not None:
            self._ids.remove(ids)

    def close(self) -> None:
        """Gives up the table, and the list of ids."""
        self._ids = self._known = None
        self.engine.close()

    def _fields(self, *, afresh: bool = False) -> Fields:
        found = None if afresh else self._known
        if found is None:
            found = self._known = self._asked(self.engine.fields)
        return found

    def _listed(self, *, afresh: bool = False) -> Listed:
        """The ids; where they are listed afresh, those who read the list before keep reading it."""
        with self._listing:
            if self._ids is None or afresh:
                self._ids = self._asked(self._gathered)
            return self._ids

    def _gathered(self) -> Listed:
        fields = self._fields(afresh=True)
        return Listed(self.engine.ids(fields), numbers=fields.numbers)

    def _valid(self, keys: Sequence[Key]) -> list[str]:
        fields = self._fields()
        return [key[0] for key in dict.fromkeys(keys) if not _id_unfit(key, fields)]

    def _got(self, ids: Sequence[str], *, bare: bool) -> list[Point]:
        from limosa.stores.milvus.rows import point_of

        fields = self._fields()
        rows = self._asked(lambda: self.engine.rows(fields, ids, bare=bare))
        if bare:
            return [Point((str(each[fields.key]),)) for each in rows]
        return [point_of(each, fields) for each in rows]

    def _upserted(self, points: Sequence[Point], fields: Fields) -> None:
        """Writes points whole.

        milvus-lite keeps dynamic fields that an upsert does not name; points that lose one are deleted first.
        """
        from limosa.stores.milvus.rows import point_of, row_of

        rows = [row_of(each, fields) for each in points]
        if fields.dynamic:
            now = {each.key: each.payload.keys() for each in points}
            before = [
                point_of(each, fields)
                for each in self.engine.rows(fields, [each.key[0] for each in points], bare=False)
            ]
            gone = [each.key[0] for each in before if each.payload.keys() - now[each.key] - fields.scalars.keys()]
            if gone:
                self.engine.delete(fields, gone)
        self.engine.upsert(rows)

    def _asked(self, call: Callable[[], _T]) -> _T:
        return ask_again(call, patience_s=self._patience_s)


def _id_unfit(key: Key, fields: Fields) -> str:
    """Why an id is not taken."""
    if fields.numbers:
        fits = bool(_NUMBER.fullmatch(key[0])) and int(key[0]) in _INTS
        return "" if fits else "its id is no whole number of 64 bits"
    try:
        return "" if key[0].encode() else "its id is empty"
    except UnicodeEncodeError:
        return "its id is no text that UTF-8 can hold"
