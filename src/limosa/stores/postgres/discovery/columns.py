"""The vector columns of a database, as its catalogue lists them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from limosa.ports.named import named_sql
from limosa.ports.tx import Tx
from limosa.stores.postgres.names import Relation, parse_relation, quoted

__all__ = ["VectorColumn", "named", "vector_columns", "written"]

_SQL = named_sql("limosa.stores.postgres", "discovery")
_PLAIN = re.compile(r'[^".\s]+')


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorColumn:
    """One column that holds vectors, or might.

    Attributes:
        kind: of the relation, as pg_class has it.
        rows: the catalogue's estimate; 0 where it has none.
        element: ``vector``, ``halfvec``, ``sparsevec``, ``domain`` or ``array``.
        dimensions: where the type declares them.
        readable: whether this role may read the table.
        comment: of the column, then of the table.
    """

    oid: int
    relation: Relation
    kind: str
    rows: int
    number: int
    name: str
    type: str
    dimensions: int | None
    generated: bool
    element: str
    readable: bool
    comment: tuple[str, str]

    @property
    def place(self) -> str:
        """Names the vectors as the ledger does."""
        return f"{self.relation}.{self.name}"

    @property
    def storable(self) -> bool:
        """Whether it has a type that limosa reads and writes."""
        return self.element in {"vector", "halfvec"}


def vector_columns(tx: Tx) -> list[VectorColumn]:
    """All of them, those of the largest tables first."""
    return [_column(row) for row in tx.execute(_SQL["vectors"])]


def named(column: VectorColumn, table: str) -> bool:
    """Whether a column belongs to the table that a person names, with or without its schema.

    Raises:
        Refused: the text is no name of a table.
    """
    schema, name = parse_relation(table)
    return column.relation.name == name and schema in {None, column.relation.schema}


def written(relation: Relation) -> str:
    """The name as a file writes it: always with its schema, in quotes only where a part needs them."""
    parts = (relation.schema, relation.name)
    return ".".join(part if _PLAIN.fullmatch(part) else quoted(part) for part in parts)


def _column(row: tuple[Any, ...]) -> VectorColumn:
    oid, schema, table, kind, rows, number, name, written_type, modifier, generated, element, readable, *comments = row
    declared = element in {"vector", "halfvec"} and modifier > 0
    return VectorColumn(
        oid=oid,
        relation=Relation(schema, table),
        kind=kind,
        rows=rows,
        number=number,
        name=name,
        type=written_type,
        dimensions=modifier if declared else None,
        generated=generated,
        element=element,
        readable=readable,
        comment=(comments[0], comments[1]),
    )
