"""Ills of indexes: not valid, never used, too large, of another metric, not there, or not possible at this size."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from limosa.model.finding import Finding
from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.doctor.ill import unchecked
from limosa.stores.postgres.doctor.statistics import Statistics
from limosa.stores.postgres.doctor.subject import SQL, Subject
from limosa.stores.postgres.doctor.tally import Tally
from limosa.stores.postgres.indexes import MAX_DIMENSIONS, index_bytes, operator_class
from limosa.stores.postgres.names import Relation, literal, quoted

__all__ = ["StandingIndex", "index_findings", "standing"]

_MANY_ROWS = 10_000
"""From so many vectors on a search without an index reads enough to be felt: 60 MB at 1,536 dimensions."""

_TOO_LARGE = 2.0
_SPARE_BYTES = 2**20
"""An index of twice the size that its rows need, and a megabyte more, has grown by updates and deletes."""

_PAGE_BYTES = 8192
_M = 16
_NEIGHBOUR_BYTES = 14
"""``index_bytes`` holds for m = 16; each further step of m takes so much a row. Source: 3,000 x 16, m = 64, is 3.1 MB
with pgvector 0.8.5, and 1.1 MB with m = 16: two places of six bytes on the lowest layer, and the layers above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingIndex:
    """One index of the table or of one of its partitions.

    Attributes:
        vector: it is an approximate index on the vector column, or on an expression of it.
        base, dimensions: the type that it holds; None where that has no length.
        rows: of its table by the catalogue, below 0 where that was never counted.
        building: somebody builds it now.
    """

    relation: Relation
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


def standing(tx: PostgresTx, subject: Subject) -> list[StandingIndex]:
    """Every index of the table and its partitions."""
    rows = tx.execute(SQL["indexes"], {"oid": subject.holder.oid, "column": subject.column.name})
    return [_index(row) for row in rows]


def index_findings(
    subject: Subject, indexes: Sequence[StandingIndex], tally: Tally | None, statistics: Statistics
) -> list[Finding]:
    """Every ill that lies in the indexes."""
    ours = [each for each in indexes if each.vector]
    return [
        _invalid(subject, indexes),
        _unused(subject, ours, statistics),
        _oversized(subject, ours, tally),
        _other_metric(subject, ours),
        _without(subject, ours, tally),
        _over_limit(subject, ours, tally),
    ]


def _index(row: Sequence[Any]) -> StandingIndex:
    schema, name, kind, valid, partial, named, operators, base, modifier, options, size, scans, rows, building = row
    return StandingIndex(
        relation=Relation(schema, name),
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


def _invalid(subject: Subject, indexes: Sequence[StandingIndex]) -> Finding:
    ill = [each for each in indexes if not each.valid and not each.building]
    found = Finding(
        name="invalid-index",
        verdict="found",
        severity="error",
        said=f"{_listed(ill)}: not valid, so that every write pays for it and no search uses it",
        do=" ".join(map(_rebuilt, ill[:3])),
        sql=_of_table(subject, "indisvalid, indisready"),
    )
    return _or_clean(found, ill, f"every index of {subject.scope.relation} is valid")


def _unused(subject: Subject, ours: Sequence[StandingIndex], statistics: Statistics) -> Finding:
    ill = [each for each in ours if each.valid and not each.scans]
    if ill and statistics.age_s < subject.scrutiny.unused_s:
        why = f"no search went through {_listed(ill)} since {statistics.since}, which is too short a time to tell"
        return unchecked("unused-index", "warning", why)
    found = Finding(
        name="unused-index",
        verdict="found",
        severity="warning",
        said=f"{_listed(ill)}: no search went through it since {statistics.since}",
        do="Unless it was built just now, look at the plan of the application's own query, and at standbys, which count"
        f" for themselves. If nobody needs it: {_each('DROP INDEX CONCURRENTLY {0};', ill)}",
        sql=f"SELECT indexrelid::regclass, idx_scan FROM pg_stat_all_indexes WHERE relid = {_oid(subject)};",
    )
    return _or_clean(found, ill, "each vector index is used" if ours else "there is no vector index to go unused")


def _oversized(subject: Subject, ours: Sequence[StandingIndex], tally: Tally | None) -> Finding:
    needs = {each: _needed_bytes(each, subject, tally) for each in ours}
    ill = [each for each, need in needs.items() if need is not None and _is_too_large(each.size_bytes, need)]
    if None in needs.values() and not ill:
        return unchecked("oversized-index", "warning", "nobody has counted the rows of a vector index")
    listed = ", ".join(f"{each.relation} has {_mb(each.size_bytes)} and needs {_mb(needs[each])}" for each in ill)
    found = Finding(
        name="oversized-index",
        verdict="found",
        severity="warning",
        said=f"larger than their rows need: {listed}",
        do=_each("REINDEX INDEX CONCURRENTLY {0};", ill),
        sql=_of_table(subject, "pg_relation_size(indexrelid)"),
    )
    return _or_clean(found, ill, "no vector index is much larger than its rows need")


def _other_metric(subject: Subject, ours: Sequence[StandingIndex]) -> Finding:
    metric = subject.scrutiny.metric
    if metric is None:
        return unchecked("metric", "warning", "the file names no metric in [target.index]")
    # An index on bits has a distance of its own, and what it finds is ranked again.
    plain = [each for each in ours if each.base in MAX_DIMENSIONS]
    fitting = [each for each in ours if each not in plain or each.operators == operator_class(each.base, metric)]
    ill = [] if fitting else plain
    held = ", ".join(f"{each.relation} is of {each.operators}" for each in ill)
    found = Finding(
        name="metric",
        verdict="found",
        severity="warning",
        said=f"searches by {metric} can use no index: {held}",
        do=f"{_creation(subject)} Or set metric in [target.index] to the one that the application searches by.",
        sql=_of_table(subject, "pg_get_indexdef(indexrelid)"),
    )
    return _or_clean(found, ill, f"an index serves searches by {metric}" if ours else "there is no vector index")


def _without(subject: Subject, ours: Sequence[StandingIndex], tally: Tally | None) -> Finding:
    if any(each.valid or each.building for each in ours):
        return Finding(name="no-index", verdict="clean", severity="warning", said="a vector index stands")
    if tally is None:
        return unchecked("no-index", "warning", "no valid vector index stands, and nobody could count the vectors")
    vectors = tally.so["vectors"].count
    found = Finding(
        name="no-index",
        verdict="found",
        severity="warning",
        said=f"no valid vector index stands: every search reads all of {vectors:,} vectors",
        count=vectors,
        do=_creation(subject),
        sql=_of_table(subject, "pg_get_indexdef(indexrelid)"),
    )
    if vectors >= _MANY_ROWS:
        return found
    return _or_clean(found, (), f"no vector index stands, and {vectors:,} vectors do without one")


def _over_limit(subject: Subject, ours: Sequence[StandingIndex], tally: Tally | None) -> Finding:
    column, limit = subject.column, MAX_DIMENSIONS.get(subject.column.base)
    if limit is None or (column.dimensions is None and tally is None):
        return unchecked("over-limit", "warning", subject.unread or subject.unseen)
    held = tally.sizes if tally is not None else {}
    most = column.dimensions if column.dimensions is not None else max(held, default=0)
    found = Finding(
        name="over-limit",
        verdict="found",
        severity="warning",
        said=f"{column.name} has {most:,} dimensions, and an index takes at most {limit:,} of type {column.base}",
        do=f"{_creation(subject)} Or move to fewer dimensions: limosa plan FILE shows what that takes.",
    )
    if most <= limit:
        return _or_clean(found, (), f"{most:,} dimensions are within the {limit:,} of an index on {column.base}")
    if any(each.valid for each in ours):
        return _or_clean(found, (), f"an index on an expression serves {most:,} dimensions of {column.base}")
    return found


def _or_clean(found: Finding, ill: Sequence[StandingIndex], clean: str) -> Finding:
    """What was found of these indexes; that all is well where there are none."""
    if not ill:
        return replace(found, verdict="clean", said=clean, count=0, do="")
    return replace(found, count=len(ill), examples=tuple((str(each.relation),) for each in ill[:3]))


def _needed_bytes(index: StandingIndex, subject: Subject, tally: Tally | None) -> int | None:
    """What an index of this kind needs for the rows that it holds; None where nobody counted them.

    An upper bound for IVFFlat, whose rows have no neighbours but whose lists begin on a page each.
    """
    rows = int(index.rows)
    whole = subject.table.kind != "p" and subject.scope.filter is None and not index.partial
    if tally is not None and whole:
        rows = tally.so["vectors"].count
    if rows < 0 or index.dimensions is None:
        return None
    neighbours = max(0, index.option("m", _M) - _M) * _NEIGHBOUR_BYTES
    lists = index.option("lists", 100) if index.kind == "ivfflat" else 0
    return index_bytes(rows, index.dimensions, base=index.base) + rows * neighbours + lists * 2 * _PAGE_BYTES


def _is_too_large(size_bytes: int, need: int) -> bool:
    return size_bytes > _TOO_LARGE * need and size_bytes > need + _SPARE_BYTES


def _creation(subject: Subject) -> str:
    """The statement that builds an index: on a cast where the size asks for half precision, or none is declared."""
    column, metric = subject.column, subject.scrutiny.metric or "cosine"
    size, base, held = column.dimensions or subject.scrutiny.space.dimensions, column.base, quoted(column.name)
    if size > MAX_DIMENSIONS["halfvec"]:
        return "No index takes so many dimensions, unless of their signs: binary_quantize in pgvector's README."
    rows = f" WHERE vector_dims({held}) = {size}" if column.dimensions is None else ""
    if size > MAX_DIMENSIONS.get(base, 0) or column.dimensions is None:
        base = base if size <= MAX_DIMENSIONS.get(base, 0) else "halfvec"
        held = f"({held}::{base}({size}))"
    table = subject.holder.relation.sql
    return f"CREATE INDEX CONCURRENTLY ON {table} USING hnsw ({held} {operator_class(base, metric)}){rows};"


def _rebuilt(index: StandingIndex) -> str:
    """What REINDEX CONCURRENTLY left behind goes; everything else is built again."""
    if re.search(r"_cc(new|old)\d*$", index.relation.name):
        return f"DROP INDEX CONCURRENTLY {index.relation.sql};"
    return f"REINDEX INDEX CONCURRENTLY {index.relation.sql};"


def _each(statement: str, ill: Sequence[StandingIndex]) -> str:
    return " ".join(statement.format(each.relation.sql) for each in ill[:3])


def _listed(indexes: Sequence[StandingIndex]) -> str:
    return ", ".join(str(each.relation) for each in indexes)


def _mb(size_bytes: int | None) -> str:
    return f"{(size_bytes or 0) / 1e6:,.1f} MB"


def _oid(subject: Subject) -> str:
    return f"{literal(subject.holder.relation.sql)}::regclass"


def _of_table(subject: Subject, what: str) -> str:
    return f"SELECT indexrelid::regclass, {what} FROM pg_index WHERE indrelid = {_oid(subject)};"
