"""Where the vectors of one space stand: in a column of the table itself, or of a table beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.names import Relation, quoted

__all__ = ["VECTORS", "Seat", "Seated", "seated"]

VECTORS = frozenset({"vector", "halfvec"})
"""pgvector's types that limosa moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """One vector column, seen from the table ``t`` whose rows it belongs to.

    Attributes:
        relation: the table that has the column.
        alias: ``t`` where that is the table itself; else it has the same key, and a row for each vector.
        key: names of the key columns, in both tables.
    """

    relation: Relation
    column: str
    alias: str
    key: tuple[str, ...]

    @property
    def beside(self) -> bool:
        """The column is one of a table beside ``t``."""
        return self.alias != "t"

    @property
    def value(self) -> str:
        """The vector."""
        return f"{self.alias}.{quoted(self.column)}"

    @property
    def held(self) -> str:
        """The row has a vector."""
        return f"{self._sign} IS NOT NULL"

    @property
    def missing(self) -> str:
        """The row has none."""
        return f"{self._sign} IS NULL"

    @property
    def _sign(self) -> str:
        # The key of a row that is not there is what the planner makes an anti-join of.
        return f"{self.alias}.{quoted(self.key[0])}" if self.beside else self.value

    def joined(self, how: str = "LEFT JOIN", inside: Callable[[str], str] | None = None) -> str:
        """What follows ``FROM ... AS t`` so that ``value`` can be named.

        Args:
            how: ``LEFT JOIN`` for every row of ``t``, ``JOIN`` for those that have a vector.
            inside: a condition on the key columns of an alias that holds for every row of ``t`` that is asked for:
                told of both tables, no plan reads more of either.
        """
        if not self.beside:
            return ""
        same = [f"{self.alias}.{quoted(name)} = t.{quoted(name)}" for name in self.key]
        told = [inside(self.alias)] if inside is not None else []
        return f" {how} {self.relation.sql} AS {self.alias} ON {' AND '.join([*same, *told])}"


@dataclass(frozen=True, slots=True)
class Seated:
    """A seat as the catalogue has it now.

    Attributes:
        element_oid, base: oid and name of the column's type, such as ``vector`` or ``halfvec``.
        dimensions: None where the column declares none.
    """

    seat: Seat
    element_oid: int
    base: str
    dimensions: int | None


def seated(tx: PostgresTx, seat: Seat) -> Seated | None:
    """The column as it is now; None where it is not there."""
    found = tx.raw(
        "SELECT t.oid, t.typname, a.atttypmod FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid"
        " WHERE a.attrelid = to_regclass($1) AND a.attname = $2 AND NOT a.attisdropped",
        seat.relation.sql,
        seat.column,
    )
    if not found:
        return None
    oid, base, modifier = found[0]
    return Seated(seat, int(oid), str(base), modifier if base in VECTORS and modifier > 0 else None)
