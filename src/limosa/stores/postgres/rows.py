"""Reading rows of a Postgres table in key order: keyset pagination, edges compared by the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from limosa.model.batch import Key, Row
from limosa.stores.postgres.codec import decoded
from limosa.stores.postgres.database import Database, PostgresTx
from limosa.stores.postgres.names import quoted
from limosa.stores.postgres.scope import Scope
from limosa.stores.postgres.seat import Seat

__all__ = ["TEXTS", "Along", "RowSource", "keys_parameter", "same_key", "sent_keys", "text_join"]

TEXTS = quoted("limosa text")
"""The alias of what a text query answers, beside the table ``t``."""


@dataclass(frozen=True, slots=True)
class Along:
    """Vectors that are read along, and whether their elements are half-precision floats."""

    seat: Seat
    half: bool


@dataclass(frozen=True, slots=True)
class RowSource:
    """Reads the place of a scope.

    Attributes:
        seat: where the vectors of the target space stand.
        along: vectors that are read along with the rows of a first pass, to be shortened; None for none.
    """

    database: Database
    scope: Scope
    seat: Seat
    along: Along | None = None

    def top(self) -> Key | None:
        """The largest key now; None for an empty table."""
        scope = self.scope
        down = ", ".join(f"t.{quoted(column.name)} DESC" for column in scope.key)
        with self.database.begin() as tx:
            rows = tx.raw(f"SELECT {scope.key_array('t')} FROM {scope.relation.sql} AS t ORDER BY {down} LIMIT 1")
        return tuple(rows[0][0]) if rows else None

    def count(self) -> int:
        """How many rows satisfy the filter now."""
        with self.database.begin() as tx:
            found = tx.raw(f"SELECT count(*) FROM {self.scope.relation.sql} AS t WHERE {self.scope.where()}")
        return int(found[0][0])

    def cut(self, after: Key | None, top: Key, *, rows: int) -> Key | None:
        """The edge that lies ``rows`` keys after ``after``, at most ``top``; None when fewer are left."""
        scope, span = self.scope, self.scope.span(after, top)
        with self.database.begin() as tx:
            found = tx.raw(
                f"SELECT {scope.key_array('t')} FROM {scope.relation.sql} AS t"
                f" WHERE {span.inside('t')} ORDER BY {scope.keys('t')} OFFSET {int(rows) - 1} LIMIT 1",
                *span.params,
            )
        return tuple(found[0][0]) if found else None

    def read(self, after: Key | None, upper: Key, *, limit: int) -> list[Row]:
        """Rows of the filter without a vector, in (after, upper], in key order."""
        scope = self.scope
        span, along = scope.span(after, upper), self.along
        seats = [self.seat, *([along.seat] if along is not None else [])]
        beside = "".join(seat.joined(inside=span.inside) for seat in seats)
        sql = (
            f"SELECT {self._fields()}{f', {along.seat.value}' if along is not None else ''}"
            f" FROM {scope.relation.sql} AS t{beside}{text_join(scope)}"
            f" WHERE {span.inside('t')} AND {scope.where()} AND {self.seat.missing}"
            f" ORDER BY {scope.keys('t')} LIMIT {int(limit)}"
        )
        with self.database.autocommit() as tx:
            found = tx.raw(sql, *span.params, binary=along is not None, prepare=self._prepare)
        return self._rows(found) if along is None else self._rows_along(found, half=along.half)

    def _rows_along(self, found: list[tuple[Any, ...]], *, half: bool) -> list[Row]:
        rows = self._rows([row[:-1] for row in found])
        stored = [row[-1] for row in found]
        return [
            replace(row, vector=decoded([bytes(value)], half=half)[0]) if value is not None else row
            for row, value in zip(rows, stored, strict=True)
        ]

    def reread(self, keys: Sequence[Key]) -> list[Row]:
        """The rows of these keys that are in the filter now; missing ones are left out."""
        with self.database.begin() as tx:
            return self.reread_in(keys, tx)

    def reread_in(self, keys: Sequence[Key], tx: PostgresTx) -> list[Row]:
        """``reread`` in a transaction that is open already, and sees what that holds."""
        if not keys:
            return []
        scope = self.scope
        inside = f"({scope.keys('t')}) IN (SELECT {_unpacked(scope)} FROM {sent_keys(scope)})"
        sql = (
            f"SELECT {self._fields()} FROM {scope.relation.sql} AS t{self.seat.joined()}{text_join(scope)}"
            f" WHERE {inside} AND {scope.where()}"
        )
        return self._rows(tx.raw(sql, *keys_parameter(keys), prepare=self._prepare))

    @property
    def _prepare(self) -> bool | None:
        # A plan that was kept would be one for the table beside as small as it was at first.
        return False if self.seat.beside else None

    def _fields(self) -> str:
        scope = self.scope
        return f"{scope.key_texts('t')}, {scope.text_of('t')}, t.ctid::text, t.xmin::text, {self.seat.held}"

    def _rows(self, found: list[tuple[Any, ...]]) -> list[Row]:
        n = len(self.scope.key)
        return [Row(row[:n], row[n], (row[n + 1], row[n + 2]), row[n + 3]) for row in found]


def text_join(scope: Scope) -> str:
    """The user's query beside the table ``t``; the equal keys are pushed down into it by the planner."""
    if scope.text.query is None:
        return ""
    same = " AND ".join(f"q.{quoted(c.name)} = t.{quoted(c.name)}" for c in scope.key)
    body = scope.text.query.rstrip().rstrip(";")
    return f" LEFT JOIN LATERAL (SELECT q.* FROM ({body}) AS q WHERE {same} LIMIT 1) AS {TEXTS} ON true"


def keys_parameter(keys: Sequence[Key]) -> tuple[list[str], ...]:
    """Keys as one text[] parameter a key column, for ``unnest``."""
    return tuple(list(column) for column in zip(*keys, strict=True))


def sent_keys(scope: Scope) -> str:
    """What ``keys_parameter`` gave, sent as $1 and on, as rows."""
    arrays = ", ".join(f"${i}::text[]" for i in range(1, len(scope.key) + 1))
    names = ", ".join(f"limosa_k{i}" for i in range(len(scope.key)))
    return f"unnest({arrays}) AS limosa_sent({names})"


def same_key(scope: Scope, alias: str = "t") -> str:
    """A row of an alias has a key that was sent."""
    return " AND ".join(f"{alias}.{quoted(c.name)} = limosa_k{i}::{c.type}" for i, c in enumerate(scope.key))


def _unpacked(scope: Scope) -> str:
    return ", ".join(f"limosa_k{i}::{column.type}" for i, column in enumerate(scope.key))
