"""The statement by which the application finds the rows nearest to a vector: its function, its view, or the query."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from limosa.model.batch import Vectors
from limosa.ports.evidence import Answered
from limosa.ports.search import OldOrNew
from limosa.stores.postgres.codec import text_of_vector
from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.match import MatchFunction, distance_operator
from limosa.stores.postgres.names import Relation, literal, quoted
from limosa.stores.postgres.search import EXACT, ColumnSearch, neighbours, settings, similarity

__all__ = ["Asked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How one side is asked.

    Attributes:
        function: the match function of the file; None where it names none.
        view: the file's view, where it stands over this side; None where there is none.
        named: the side's name is given as the function's argument ``space``.
    """

    search: ColumnSearch
    side: OldOrNew
    function: MatchFunction | None = None
    view: Relation | None = None
    named: bool = False

    @property
    def title(self) -> str:
        """What is asked, for a person."""
        if self.function is not None:
            return str(self.function.relation)
        return f"the nearest rows of {self.view or self.search.scope.relation}"

    @property
    def stored(self) -> str:
        """The first stored vector, as a subquery: what stands for a query where a statement is printed."""
        scope, seat = self.search.scope, self.search.column.seat
        return (
            f"(SELECT {seat.value} FROM {scope.relation.sql} AS t{seat.joined('JOIN')}"
            f" WHERE {seat.value} IS NOT NULL ORDER BY {scope.keys('t')} LIMIT 1)"
        )

    def sql(self, k: int, query: str = "$1") -> str:
        """The application's own statement; what it returns as text, then similarity or distance.

        Args:
            query: an expression of the vector.
        """
        scope, function = self.search.scope, self.function
        extension = quoted(scope.extension_schema)
        if function is None:
            return self._from_view(k, query) if self.view is not None else self._nearest(k, query, scope.where())
        extra = ", '{}'::jsonb" if function.match.filter else ""
        extra += f", {literal(self.side)}" if self.named else ""
        called = ", ".join(f"f.{quoted(each.name)}::text" for each in function.returns)
        return (
            f"SELECT {called}, f.similarity FROM {function.relation.sql}"
            f"({query}::{extension}.vector, '-Infinity', {int(k)}{extra}) AS f"
        )

    def exact(self, k: int, query: str = "$1") -> str:
        """The same columns and then the distance; under the settings ``EXACT`` of every row."""
        function = self.function
        if function is None:
            return self._nearest(k, query, self.search.scope.where())
        listed = ", ".join(f"t.{quoted(each.name)}::text" for each in function.returns)
        kept = f"t.{quoted(function.match.filter)} @> '{{}}'" if function.match.filter else "true"
        return self._nearest(k, query, kept, listed)

    def inner(self, k: int, query: str) -> str:
        """What is planned when the statement runs: the body of the function, as limosa makes it."""
        if self.function is None:
            return self.sql(k, query)
        given = {
            "query_embedding": query,
            "match_threshold": "'-Infinity'",
            "match_count": str(int(k)),
            "filter": "'{}'::jsonb",
        }
        return self.function.body(self.side, given)

    def both(self, tx: PostgresTx, vector: Vectors, k: int) -> tuple[Answered, Answered]:
        """What the statement answers, and a direct search that compares every row, in one snapshot."""
        answered = tx.raw(self.sql(k), text_of_vector(vector), prepare=False)
        # A function answers similarities already.
        own = answered if self.function is not None else self._similar(answered)
        return _answered(own), self.direct(tx, vector, k, EXACT)

    def direct(self, tx: PostgresTx, vector: Vectors, k: int, how: Mapping[str, str]) -> Answered:
        """What a direct search of the whole column gives under these settings."""
        # Rolled back, the settings are again what a role has of its own, and not what the database has.
        with tx.connection.transaction(force_rollback=True), settings(tx, how):
            found = tx.raw(self.exact(k), text_of_vector(vector), prepare=False)
        return _answered(self._similar(found))

    def _similar(self, rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        metric = self.function.metric if self.function is not None else self.search.metric
        return [(*row[:-1], similarity(float(row[-1]), metric)) for row in rows]

    def _nearest(self, k: int, query: str, where: str, listed: str | None = None) -> str:
        search = self.search
        metric = self.function.metric if self.function is not None else search.metric
        sql = neighbours(search.scope, search.column, metric, k=k, where=where, listed=listed)
        cast = f"::{quoted(search.scope.extension_schema)}.{quoted(search.column.base)}"
        return sql.replace(f"$1{cast}", f"{query}{cast}")

    def _from_view(self, k: int, query: str) -> str:
        assert self.view is not None  # noqa: S101 - asked for only where there is one
        search = self.search
        scope, base = search.scope, search.column.base
        cast = f"{query}::{quoted(scope.extension_schema)}.{quoted(base)}"
        distance = f"t.{quoted(scope.vector)} {distance_operator(scope, search.metric)} {cast}"
        return (
            f"SELECT {scope.key_texts('t')}, {distance} FROM {self.view.sql} AS t"
            f" WHERE {scope.where()} ORDER BY {distance} LIMIT {int(k)}"
        )


def _answered(rows: Sequence[tuple[Any, ...]]) -> Answered:
    # A zero vector has no cosine: what stands beside it is not a number and compares with nothing.
    kept = [row for row in rows if row[-1] is not None and not math.isnan(row[-1])]
    return Answered(tuple(tuple(row[:-1]) for row in kept), tuple(float(row[-1]) for row in kept))
