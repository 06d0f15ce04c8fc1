"""The indexes that stand on a table and on its partitions, as the catalogue and the server's counts have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.doctor.subject import SQL, Subject
from limosa.stores.postgres.names import Relation

__all__ = ["Part", "Standing", "StandingIndex", "standing"]


@dataclass(frozen=True, slots=True)
class Part:
    """A partition that holds rows: how many by the catalogue, below 0 where they were never counted."""

    relation: Relation
    rows: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingIndex:
    """One index of the table or of one of its partitions.

    Attributes:
        table: on which it stands; whole: the index of the partitioned table that it is a part of.
        vector: it is an approximate index on the vector column, or on an expression of it.
        base, dimensions: the type that it holds; None where that has no length.
        rows: of its table by the catalogue, below 0 where that was never counted.
        building: somebody builds it now, or may do so.
    """

    relation: Relation
    table: Relation
    whole: Relation | None
    kind: str
    valid: bool
    partial: bool
    vector: bool
    operators: str
    base: str
    dimensions: int | None
    options: tuple[str, ...]
    size_bytes: int
    scans: int
    rows: float
    building: bool

    def option(self, name: str, default: int) -> int:
        """A storage parameter, as m or lists."""
        found = [each.partition("=")[2] for each in self.options if each.partition("=")[0] == name]
        return int(found[0]) if found else default


@dataclass(frozen=True, slots=True)
class Standing:
    """All indexes, and the partitions of the table; a table that is not partitioned has none."""

    indexes: tuple[StandingIndex, ...]
    parts: tuple[Part, ...]

    @property
    def ours(self) -> tuple[StandingIndex, ...]:
        """Those on the vectors."""
        return tuple(each for each in self.indexes if each.vector)

    @property
    def serving(self) -> tuple[StandingIndex, ...]:
        """Those on the vectors that searches can use, or soon can."""
        return tuple(each for each in self.ours if each.valid or each.building)

    @property
    def bare(self) -> tuple[Part, ...]:
        """Partitions that no index serves."""
        served = {each.table for each in self.serving}
        return tuple(each for each in self.parts if each.relation not in served)


def standing(tx: PostgresTx, subject: Subject) -> Standing:
    """Every index of the table and its partitions."""
    ids = {"oid": subject.holder.oid}
    rows = tx.execute(SQL["indexes"], {**ids, "column": subject.column.name})
    parts = tx.execute(SQL["parts"], ids)
    return Standing(
        indexes=tuple(map(_index, rows)),
        parts=tuple(Part(Relation(schema, name), float(count)) for schema, name, count in parts),
    )


def _index(row: Sequence[Any]) -> StandingIndex:
    names, (kind, valid, partial, named, operators, base, modifier, *rest) = row[:6], row[6:]
    options, size, scans, rows, building = rest
    return StandingIndex(
        relation=Relation(*names[:2]),
        table=Relation(*names[2:4]),
        whole=Relation(*names[4:]) if names[4] is not None else None,
        kind=kind,
        valid=valid,
        partial=partial,
        vector=bool(named) and kind in {"hnsw", "ivfflat"},
        operators=operators,
        base=base,
        dimensions=modifier if modifier > 0 else None,
        options=tuple(options),
        size_bytes=int(size),
        scans=int(scans),
        rows=float(rows),
        building=building,
    )
