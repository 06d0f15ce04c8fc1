"""What helps against ills of indexes: the statements that build, drop and show them, on partitions too."""

from __future__ import annotations

import re
from collections.abc import Sequence

from limosa.stores.postgres.doctor.standing import Part, StandingIndex
from limosa.stores.postgres.doctor.subject import Subject
from limosa.stores.postgres.indexes import MAX_DIMENSIONS, operator_class
from limosa.stores.postgres.names import literal, quoted

__all__ = ["creation", "dropped", "rebuilt", "renewed", "shown", "tables"]

_SHOWN = 3
"""Statements that are written out."""


def creation(subject: Subject, parts: Sequence[Part], *, all_parts: bool) -> str:
    """The statements that build an index, which may be a table's or those of some of its partitions.

    No index of a partitioned table can be built while it is written to; those of its partitions can.

    Args:
        parts: partitions to build it on; all_parts: there are no others.
    """
    using = _using(subject)
    if using is None:
        return "No index takes so many dimensions, unless of their signs: binary_quantize in pgvector's README."
    if subject.holder.kind != "p":
        return f"CREATE INDEX CONCURRENTLY ON {subject.holder.relation.sql} {using};"
    each = [f"CREATE INDEX CONCURRENTLY ON {part.relation.sql} {using};" for part in parts]
    more = [f"And so on for each of the {len(each):,} partitions."] if len(each) > _SHOWN else []
    # The whole takes over what stands on every partition; where one has none, it would be built under a lock.
    whole = f"CREATE INDEX ON {subject.holder.relation.sql} {using};"
    return " ".join([*each[:_SHOWN], *more, *([f"When all are built: {whole}"] if all_parts else [])])


def renewed(indexes: Sequence[StandingIndex]) -> str:
    """The statements that build indexes anew."""
    return " ".join(f"REINDEX INDEX CONCURRENTLY {each.relation.sql};" for each in indexes[:_SHOWN])


def rebuilt(indexes: Sequence[StandingIndex]) -> str:
    """What REINDEX CONCURRENTLY left behind goes; everything else is built anew."""
    return " ".join(
        dropped([each]) if re.search(r"_cc(new|old)\d*$", each.relation.name) else renewed([each])
        for each in indexes[:_SHOWN]
    )


def dropped(indexes: Sequence[StandingIndex]) -> str:
    """The statements that drop indexes; a part of the index of a partitioned table goes with the whole one alone."""
    wholes = dict.fromkeys(each.whole for each in indexes if each.whole is not None)
    own = [f"DROP INDEX CONCURRENTLY {each.relation.sql};" for each in indexes if each.whole is None]
    return " ".join([*(f"DROP INDEX {each.sql};" for each in wholes), *own][:_SHOWN])


def shown(subject: Subject, what: str) -> str:
    """A query that shows something of every index of the table and of its partitions."""
    return f"SELECT indexrelid::regclass, {what} FROM pg_index WHERE indrelid {tables(subject)};"


def tables(subject: Subject) -> str:
    """What follows an oid in a condition so that it is the table's, or a partition's."""
    oid = f"{literal(subject.holder.relation.sql)}::regclass"
    return f"IN (SELECT relid FROM pg_partition_tree({oid}))" if subject.holder.kind == "p" else f"= {oid}"


def _using(subject: Subject) -> str | None:
    """What follows the table's name; None where no index takes so many dimensions.

    It stands on a cast where the size asks for half precision, or none is declared.
    """
    column, schema = subject.column, subject.scope.operators
    size, base, held = column.dimensions or subject.scrutiny.space.dimensions, column.base, quoted(column.name)
    if size > MAX_DIMENSIONS["halfvec"]:
        return None
    rows = f" WHERE {schema}.vector_dims({held}) = {size}" if column.dimensions is None else ""
    if size > MAX_DIMENSIONS.get(base, 0) or column.dimensions is None:
        base = base if size <= MAX_DIMENSIONS.get(base, 0) else "halfvec"
        held = f"({held}::{schema}.{base}({size}))"
    return f"USING hnsw ({held} {schema}.{operator_class(base, subject.scrutiny.metric or 'cosine')}){rows}"
