"""Rows of a table read as points: by key, in the order of the key, and by nearness."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from limosa.model.batch import Key, Vectors
from limosa.model.point import Metric, Point, Scalar
from limosa.stores.postgres.codec import text_of_vector
from limosa.stores.postgres.database import Database
from limosa.stores.postgres.landing.columns import Arrived
from limosa.stores.postgres.landing.filtering import condition_of
from limosa.stores.postgres.landing.nearness import Nearness, halved
from limosa.stores.postgres.landing.rows import points_of
from limosa.stores.postgres.landing.vectors import SHAPES
from limosa.stores.postgres.match import SIMILARITIES
from limosa.stores.postgres.names import Relation, quoted
from limosa.stores.postgres.search import EXACT

__all__ = ["WHOLE", "PointReader"]

WHOLE = {"smallint": 1 << 15, "integer": 1 << 31, "bigint": 1 << 63}
"""Types of keys that are whole numbers, and the first number that is too large for them."""

_ITERATIVE = (
    "SELECT set_config(name, 'strict_order', true) FROM pg_settings"
    " WHERE name = 'hnsw.iterative_scan' AND '[1]'::{schema}.vector IS NOT NULL"
)
"""The setting is there from pgvector 0.8 on, once its library is loaded, which reading a vector does."""


@dataclass(frozen=True, slots=True)
class PointReader:
    """Reads one table.

    Attributes:
        schema: of pgvector.
        listed: where the keys of the rows that are points are listed, in a column ``key``; None where all of them are.
    """

    database: Database
    relation: Relation
    arrived: Arrived
    schema: str
    listed: Relation | None = None

    def read(self, after: Key | None, limit: int, *, bare: bool = False) -> list[Point]:
        """The points behind a key, in the order of ``order``."""
        beyond = f" WHERE {self._key} > $1::text::{self.arrived.key.type}" if after is not None else ""
        sql = f"SELECT {self._cells(bare=bare)} FROM {self._rows}{beyond} ORDER BY {self._key} LIMIT {int(limit)}"
        with self.database.autocommit() as tx:
            found = tx.raw(sql, *(after or ()), binary=True, prepare=False)
        return points_of(found, self.arrived, bare=bare)

    def last(self) -> Key | None:
        """The last key there is now."""
        # An unqualified name would be that of the text that is selected.
        sql = f"SELECT {self._cells(bare=True)} FROM {self._rows} ORDER BY {self._key} DESC LIMIT 1"
        with self.database.autocommit() as tx:
            found = tx.raw(sql)
        return (found[0][0],) if found else None

    def fetch(self, keys: Sequence[Key], *, bare: bool = False) -> list[Point]:
        """These points; those that are not there, or could not be, are left out."""
        fitting = self.fitting(keys)
        if not fitting:
            return []
        sql = (
            f"SELECT {self._cells(bare=bare)} FROM {self._rows}"
            f" JOIN unnest($1::text[]) AS s(k) ON t.{quoted(self.arrived.key.name)} = s.k::{self.arrived.key.type}"
        )
        with self.database.autocommit() as tx:
            # A plan that was kept is one for the table as small as it was.
            found = tx.raw(sql, fitting, binary=True, prepare=False)
        return points_of(found, self.arrived, bare=bare)

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
        """At most k keys and similarities, nearest first.

        The session has the settings that the database gives every one, and no other: where ``hnsw.iterative_scan`` is
        off there, the application is given too few rows of a filter, and so is whoever asks here. Only where a table
        has other rows than points it is set, as these would crowd the points out.
        """
        column = self.arrived.vector(name).name
        kept, values = condition_of(self.arrived, where or {}, after=1)
        with self.database.begin() as tx:
            if exact:
                for setting, value in EXACT.items():
                    tx.raw(f"SET LOCAL {setting} = {value}")
            elif self.listed is not None:
                tx.raw(_ITERATIVE.format(schema=quoted(self.schema)))
            half = not exact and halved(self.relation, column, metric, tx)
            found = Nearness(
                relation=self.relation,
                column=column,
                schema=self.schema,
                metric=metric,
                halved=len(vector) if half else None,
            )
            rows = found.rows(
                [f"t.{quoted(self.arrived.key.name)}::text AS key"],
                f"$1::text::{quoted(self.schema)}.vector",
                limit=str(int(k)),
                where=f"t.{quoted(column)} IS NOT NULL{self._point}{kept}",
            )
            similarity = SIMILARITIES[metric].format("(s.limosa_distance)")
            sql = f"SELECT s.key, {similarity} FROM ({rows}) AS s ORDER BY s.limosa_distance"
            answered = tx.raw(sql, text_of_vector(vector), *values, prepare=False)
            return [((key,), float(near)) for key, near in answered]

    def order(self, key: Key) -> tuple[int, ...]:
        """A value by which keys are in the order in which they are read; one that cannot be there comes last."""
        if self.arrived.key.type in WHOLE:
            return (int(key[0]),) if self.fitting([key]) else (1 << 64,)
        if self.arrived.key.type == "uuid":
            return (uuid.UUID(key[0]).int,) if self.fitting([key]) else (1 << 128,)
        return tuple(key[0].encode("utf-8", "surrogatepass"))

    def fitting(self, keys: Sequence[Key]) -> list[str]:
        """Keys that the key's type can be; no other can be there."""
        kind = self.arrived.key.type
        found = [key for (key,) in keys]
        if kind in WHOLE:
            return [key for key in found if _whole(key) and -WHOLE[kind] <= int(key) < WHOLE[kind]]
        return [key for key in found if _is_uuid(key)] if kind == "uuid" else [key for key in found if "\0" not in key]

    @property
    def _rows(self) -> str:
        """What stands behind FROM."""
        table = f"{self.relation.sql} AS t"
        if self.listed is None:
            return table
        return f"{table} JOIN {self.listed.sql} AS l ON l.key = t.{quoted(self.arrived.key.name)}"

    @property
    def _point(self) -> str:
        """Lets points alone through, where a table has other rows too."""
        if self.listed is None:
            return ""
        return f" AND EXISTS (SELECT FROM {self.listed.sql} AS l WHERE l.key = t.{quoted(self.arrived.key.name)})"

    @property
    def _key(self) -> str:
        # A text's order is the same everywhere only by its bytes.
        bytewise = "" if self.arrived.key.type in {*WHOLE, "uuid"} else ' COLLATE "C"'
        # The list's index leads to the points alone.
        column = f"t.{quoted(self.arrived.key.name)}" if self.listed is None else "l.key"
        return f"{column}{bytewise}"

    def _cells(self, *, bare: bool) -> str:
        cells = [f"t.{quoted(self.arrived.key.name)}::text"]
        if not bare:
            for each in (*self.arrived.of("field"), *self.arrived.of("rest")):
                cells.append(each.cell.select.format(f"t.{quoted(each.name)}"))
            for each in self.arrived.of("vector"):
                sent = SHAPES[each.type].sent
                cells.append(sent.format(schema=quoted(self.schema), column=f"t.{quoted(each.name)}"))
        return ", ".join(cells)


def _whole(key: str) -> bool:
    digits = key.removeprefix("-")
    return digits.isdecimal() and digits.isascii() and str(int(key)) == key


def _is_uuid(key: str) -> bool:
    try:
        return str(uuid.UUID(key)) == key
    except ValueError:
        return False
