"""Nearness in a table of points: rows by their distance to a vector, in words that the index on them knows."""

from __future__ import annotations

from dataclasses import dataclass

from limosa.model.point import Metric
from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.indexes import operator_class
from limosa.stores.postgres.landing.standing import standing_indexes
from limosa.stores.postgres.match import OPERATORS
from limosa.stores.postgres.names import Relation, quoted

__all__ = ["Nearness", "halved"]

_CANDIDATES, _MOST = 4, 40
"""So many times the rows that are asked for are taken by their half-precision distance and ordered by the exact one,
but no more than so many where fewer are asked for: HNSW answers no more unless somebody sets ``hnsw.ef_search``, and
the planner counts a page for each. Source: pgvector 0.8 README, "Query Options"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearness:
    """How the rows ``t`` of a table are found by one of its vectors.

    Attributes:
        schema: of pgvector.
        halved: dimensions, where the index stands on the vector as halfvec; None where it stands on the vector itself.
    """

    relation: Relation
    column: str
    schema: str
    metric: Metric
    halved: int | None = None

    @property
    def _operator(self) -> str:
        return f"OPERATOR({quoted(self.schema)}.{OPERATORS[self.metric]})"

    def distance(self, query: str) -> str:
        """The exact distance of a row to an expression of the type vector."""
        return f"t.{quoted(self.column)} {self._operator} {query}"

    def rows(self, cells: list[str], query: str, *, limit: str, where: str) -> str:
        """A SELECT of the nearest rows, in order: cells, and their exact distance as ``limosa_distance``.

        Args:
            cells: expressions over columns of ``t`` alone.
            query: an expression of the type vector.
            limit: an expression of a whole number.
            where: a condition on ``t``.
        """
        listed, exact, table = ", ".join(cells), self.distance(query), f"{self.relation.sql} AS t WHERE {where}"
        if self.halved is None:
            return f"SELECT {listed}, {exact} AS limosa_distance FROM {table} ORDER BY {exact} LIMIT {limit}"
        half = f"{quoted(self.schema)}.halfvec({self.halved})"
        near = f"t.{quoted(self.column)}::{half} {self._operator} ({query})::{half}"
        taken = f"greatest({limit}, least({_CANDIDATES} * {limit}::bigint, {_MOST}))"
        return (
            f"SELECT {listed}, {exact} AS limosa_distance FROM"
            f" (SELECT t.* FROM {table} ORDER BY {near} LIMIT {taken}) AS t ORDER BY {exact} LIMIT {limit}"
        )


def halved(relation: Relation, column: str, metric: Metric, tx: PostgresTx) -> bool:
    """Whether an index of this metric stands on this column's values as halfvec, and can be asked."""
    classed = operator_class("halfvec", metric)
    return any(
        each.column == column and each.classed == classed and each.valid and each.whole
        for each in standing_indexes(relation, tx)
    )
