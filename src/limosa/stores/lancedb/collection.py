"""A table of LanceDB, read in the order of its ids."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from limosa.errors import Refused
from limosa.model.batch import Key, Vectors
from limosa.model.ids import KINDS
from limosa.model.point import Collected, Holds, Point, Scalar, VectorSpec
from limosa.ports.asking import PATIENCE_S, ask_again, put_apart
from limosa.ports.listed import Listed, order_of

if TYPE_CHECKING:
    from limosa.stores.lancedb.layout import Layout
    from limosa.stores.lancedb.table import LanceTable

__all__ = ["LanceCollection"]

MOST = 1000
"""Rows that are asked for or written together: of 1536 dimensions some 6 MB."""

HOLDS = Holds(
    ids=KINDS,
    kinds=frozenset({"dense"}),
    metrics=frozenset({"cosine", "l2", "ip"}),
    several=True,
    bare=True,
    filters="",
)
"""As lancedb 0.40 was seen to take them; no largest size of a vector was looked for."""

_METRICS = {"cosine": "cosine", "l2": "l2", "ip": "dot"}
"""LanceDB's name of each metric."""

_NUMBER = re.compile("-?[1-9][0-9]{0,18}|0")
_INTS = range(-(2**63), 2**63)

_T = TypeVar("_T")


class LanceCollection:
    """One table; threads may share it.

    Args:
        patience_s: how long a call is repeated before it raises Transient.
    """

    def __init__(self, table: LanceTable, title: str, *, patience_s: float = PATIENCE_S) -> None:
        self.table = table
        self.title = title
        self._patience_s = patience_s
        self._listing = threading.Lock()
        self._ids: Listed | None = None
        self._known: Layout | None = None

    @property
    def holds(self) -> Holds:
        """Any number of dense vectors, any text as an id; filters by the columns of a table that stands already."""
        if not self.stands():
            return HOLDS
        try:
            return replace(HOLDS, filters="|".join(map(re.escape, self._layout().filters)))
        except Refused:
            # Whoever reads such a table is told why it cannot be.
            return HOLDS

    def describe(self) -> Collected:
        """What it says of itself; ids are of the kind that they were when they were listed last."""
        self._layout(afresh=True)
        points = self._asked(self.table.count)
        vectors = {each.name: each for each in self._specs().values()}
        return Collected(points=points, ids=self._listed().kind() if points else "text", vectors=vectors)

    def last(self) -> Key | None:
        """The last of the ids that are there now."""
        return self._listed(afresh=True).last()

    def order(self, key: Key) -> tuple[int, ...]:
        """Texts are in the order of their UTF-8, numbers in their own."""
        return order_of(key, numbers=self._layout().numbers)

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
        """At most k ids with LanceDB's distance, the smallest first."""
        column, spec = next((column, each) for column, each in self._specs().items() if each.name == name)
        key, metric = self._layout().key, _METRICS[spec.metric]
        condition = self._equal(where or {})
        if condition is None:
            return []
        found = self._asked(lambda: self.table.nearest(column, vector, k, key=key, metric=metric, condition=condition))
        return [((str(each),), float(far)) for each, far in found]

    def stands(self) -> bool:
        """Whether it is there."""
        return self.table.stands()

    def make(self, wanted: Collected) -> None:
        """Makes it, without a row, and with an index of its ids; one of vectors is best made when they are there."""
        if not self.stands():
            self._asked(lambda: self.table.make(wanted))

    def drop(self) -> None:
        """Takes it away with all that is in it."""
        self._ids = self._known = None
        if self.stands():
            self._asked(self.table.drop)

    def write(self, points: Sequence[Point]) -> list[tuple[int, str]]:
        """Puts points in the place of what stood under their ids; of those with one id the last."""
        if not points:
            return []
        layout = self._layout(afresh=True)
        rejected = [(place, why) for place, each in enumerate(points) if (why := _unfit(each, layout))]
        bad = {place for place, _ in rejected}
        # LanceDB would write both of two rows with one id.
        fitting = list({each.key: place for place, each in enumerate(points) if place not in bad}.values())

        def put(places: Sequence[int]) -> None:
            self._asked(lambda: self._merged([points[i] for i in places], layout))

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
            self._asked(partial(self.table.delete, self._among(ids[start : start + MOST])))
        if self._ids is not None:
            self._ids.remove(ids)

    def close(self) -> None:
        """Gives up the table, and the list of ids."""
        self._ids = self._known = None
        self.table.close()

    def _layout(self, *, afresh: bool = False) -> Layout:
        found = None if afresh else self._known
        if found is None:
            found = self._known = self._asked(self.table.layout)
        return found

    def _specs(self) -> dict[str, VectorSpec]:
        """By column; an index says how its column is compared."""
        told = self._asked(self.table.metrics)
        metrics = {column: each for column, name in told.items() for each, its in _METRICS.items() if its == name}
        vectors = self._layout().vectors
        return {name: replace(each, metric=metrics.get(name, each.metric)) for name, each in vectors.items()}  # type: ignore[arg-type]

    def _listed(self, *, afresh: bool = False) -> Listed:
        """The ids; where they are listed afresh, those who read the list before keep reading it."""
        with self._listing:
            if self._ids is None or afresh:
                self._ids = self._asked(self._gathered)
            return self._ids

    def _gathered(self) -> Listed:
        layout, rows, none = self._layout(afresh=True), 0, 0
        listed = Listed(numbers=layout.numbers)
        for page in self.table.ids(layout.key):
            listed.add(str(each) for each in page if each is not None)
            rows += len(page)
            none += sum(each is None for each in page)
        if rows != listed.count():
            raise Refused(
                f"{rows - listed.count():,} rows of the table have no id of their own, {none:,} of them none at all.",
                needed=f"Another value of {layout.key} in every row; LanceDB itself does not look after it.",
                do="Find them with table.search().select([...]), and change or delete them.",
            )
        return listed

    def _valid(self, keys: Sequence[Key]) -> list[str]:
        numbers = self._layout().numbers
        return [key[0] for key in dict.fromkeys(keys) if _id_is_taken(key, numbers=numbers)]

    def _got(self, ids: Sequence[str], *, bare: bool) -> list[Point]:
        from limosa.stores.lancedb.rows import points_of

        layout = self._layout()
        columns = [layout.key] if bare else None
        found = points_of(self._asked(lambda: self.table.rows(self._among(ids), columns, len(ids))), layout)
        return [Point(each.key) for each in found] if bare else found

    def _merged(self, points: Sequence[Point], layout: Layout) -> None:
        from limosa.stores.lancedb.rows import rows_of

        self.table.merge(layout.key, rows_of(points, layout))

    def _among(self, ids: Sequence[str]) -> str:
        """A condition; texts in SQL's quotes."""
        layout = self._layout()
        values = ids if layout.numbers else map(_literal, ids)
        return f"{layout.key} IN ({', '.join(values)})"

    def _equal(self, where: Mapping[str, Scalar]) -> str | None:
        """A condition; None where no row can have such a value."""
        parts = []
        for field, value in where.items():
            column, kind = self._layout().filters.get(field, ("", None))
            if type(value) is not kind or (isinstance(value, int) and value not in _INTS):
                return None
            parts.append(f"{column} = {_literal(value)}")
        return " AND ".join(parts)

    def _asked(self, call: Callable[[], _T]) -> _T:
        return ask_again(call, patience_s=self._patience_s)


def _literal(value: Scalar) -> str:
    """A value in SQL."""
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value).lower()


def _id_is_taken(key: Key, *, numbers: bool) -> bool:
    if numbers:
        return bool(_NUMBER.fullmatch(key[0])) and int(key[0]) in _INTS
    try:
        return bool(key[0].encode())
    except UnicodeEncodeError:
        return False


def _unfit(point: Point, layout: Layout) -> str:
    """Why a point is not taken."""
    if not _id_is_taken(point.key, numbers=layout.numbers):
        return f"its id is no {'whole number of 64 bits' if layout.numbers else 'text that UTF-8 can hold'}"
    sizes = {spec.name: spec.dimensions for spec in layout.vectors.values()}
    for name, vector in point.vectors.items():
        if name not in sizes:
            return f"the table has no column for the vector {name!r}"
        if not isinstance(vector, np.ndarray) or vector.shape != (sizes[name],):
            return f"its vector {name!r} is not one of {sizes[name]} dimensions"
        if np.isnan(vector).any():
            return "its vector holds a value that is no number"
    return ""
