"""The partitions of a table, as the catalogue has them: what they are, and which of them came or went since a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from limosa.ports.named import named_sql
from limosa.ports.tx import Tx
from limosa.stores.postgres.names import Relation, literal

__all__ = [
    "Arrival",
    "Partition",
    "partitions",
    "parts_of_index",
    "self_and_partitions",
    "unarmed",
    "unindexed",
    "unwatched",
]

_SQL = named_sql("limosa.stores.postgres", "partitions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """One partition of a table.

    Attributes:
        kind: as pg_class has it: ``r`` a table, ``p`` partitioned again, ``f`` a foreign table.
        estimated_rows: what the statistics say; 0 where they say nothing.
        indexable: the role may make an index in its schema.
        default: it takes the rows that no other partition does.
        not_null: columns that may be NULL in the table, and not here.
        indexes: name of an index of the table to the name that it has here.
        not_null_names: column to the name of its NOT NULL where it has one of its own here; from Postgres 18 on.
    """

    relation: Relation
    kind: str
    persistence: str
    estimated_rows: int
    options: tuple[str, ...]
    owner: str
    owned: bool
    indexable: bool
    default: bool
    not_null: tuple[str, ...]
    indexes: Mapping[str, str]
    not_null_names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A partition that was attached, or made, and has not been armed since.

    Attributes:
        since: tells this attachment from every other one of the same table.
        returned: it was armed before; then it was detached, and nobody saw what changed in it meanwhile.
    """

    relation: Relation
    since: str
    returned: bool


def parts_of_index(tx: Tx, index: str) -> set[str]:
    """Names of the indexes that an index of a partitioned table consists of; empty for any other.

    Args:
        index: as SQL writes it.
    """
    return {str(name) for (name,) in tx.execute(_SQL["parts_of_index"], {"index": index})}


def partitions(tx: Tx, oid: int) -> tuple[Partition, ...]:
    """The partitions of a table, by name; empty for any other kind of table."""
    return tuple(
        Partition(
            relation=Relation(row[0], row[1]),
            kind=row[2],
            persistence=row[3],
            estimated_rows=int(row[4]),
            options=tuple(row[5]),
            owner=row[6],
            owned=row[7],
            indexable=row[8],
            default=row[9],
            not_null=tuple(row[10]),
            indexes=dict(row[11]),
            not_null_names=dict(row[12]),
        )
        for row in tx.execute(_SQL["partitions"], {"oid": oid})
    )


def self_and_partitions(relation: Relation) -> str:
    """A subquery of the oids of a table and its partitions, as they are when it is asked; none where it is gone."""
    oid = f"to_regclass({literal(relation.sql)})"
    return f"SELECT {oid}::oid UNION SELECT relid::oid FROM pg_partition_tree({oid})"


def unwatched(tx: Tx, oid: int, *, trigger: str) -> list[Arrival]:
    """Partitions on which the statement trigger of this name does not stand since they are attached."""
    found = tx.execute(_SQL["unwatched"], {"oid": oid, "trigger": trigger})
    return [Arrival(Relation(schema, name), since, returned) for schema, name, since, returned in found]


def unarmed(tx: Tx, oid: int, names: list[str]) -> list[tuple[str, Relation]]:
    """Triggers of these names that do not stand or are not ENABLE ALWAYS, each with its table or partition."""
    found = tx.execute(_SQL["unarmed"], {"oid": oid, "names": names})
    return [(str(name), Relation(schema, relation)) for name, schema, relation in found]


def unindexed(tx: Tx, oid: int, index: Relation) -> list[Relation]:
    """Partitions that have no valid index of their own under this index of the table, where that stands."""
    return [Relation(*row) for row in tx.execute(_SQL["unindexed"], {"oid": oid, "index": index.sql})]
