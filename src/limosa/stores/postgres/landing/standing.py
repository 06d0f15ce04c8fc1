"""What stands on a table: its indexes, each with the column that it begins with."""

from __future__ import annotations

from dataclasses import dataclass

from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.names import Relation

__all__ = ["OF_COLUMN", "VECTOR_METHODS", "Standing", "standing_indexes"]

VECTOR_METHODS = frozenset({"hnsw", "ivfflat"})
"""The index methods of pgvector."""


OF_COLUMN = (
    "a.attrelid = i.indrelid AND a.attnum > 0 AND (a.attnum = i.indkey[0] OR i.indkey[0] = 0"
    " AND starts_with(pg_get_indexdef(i.indexrelid, 1, true), '(' || quote_ident(a.attname) || '::'))"
)
"""The column ``a`` that an index ``i`` begins with; a cast, which has no column's number, is printed (column::type)."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One index.

    Attributes:
        column: the only one, or the first; of an expression that casts a column that column, None for any other.
        classed: the first column's operator class.
        unique: for this one column, of every row, and at once.
        whole: of every row.
    """

    name: str
    column: str | None
    method: str
    classed: str
    valid: bool
    primary: bool
    unique: bool
    whole: bool


def standing_indexes(relation: Relation, tx: PostgresTx) -> list[Standing]:
    """The indexes of a table, by name; none where it does not stand."""
    found = tx.raw(
        "SELECT c.relname, a.attname, m.amname, o.opcname, i.indisvalid, i.indisprimary, i.indisunique"
        " AND i.indimmediate AND i.indisvalid AND i.indnkeyatts = 1 AND i.indkey[0] <> 0 AND i.indpred IS NULL,"
        " i.indpred IS NULL"
        " FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS m ON m.oid = c.relam"
        " JOIN pg_opclass AS o ON o.oid = i.indclass[0]"
        f" LEFT JOIN pg_attribute AS a ON {OF_COLUMN}"
        " WHERE i.indrelid = to_regclass($1) ORDER BY c.relname",
        relation.sql,
    )
    return [Standing(*row) for row in found]
