"""Ills of indexes: not valid, never used, too large, of another metric, not there, or not possible at this size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from limosa.model.finding import Finding
from limosa.stores.postgres.doctor.cures import creation, dropped, rebuilt, renewed, shown, tables
from limosa.stores.postgres.doctor.ill import unchecked
from limosa.stores.postgres.doctor.standing import Part, Standing, StandingIndex
from limosa.stores.postgres.doctor.statistics import Statistics
from limosa.stores.postgres.doctor.subject import Subject
from limosa.stores.postgres.doctor.tally import Tally
from limosa.stores.postgres.indexes import MAX_DIMENSIONS, index_bytes, operator_class

__all__ = ["index_findings"]

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


def index_findings(subject: Subject, found: Standing, tally: Tally | None, statistics: Statistics) -> list[Finding]:
    """Every ill that lies in the indexes."""
    # Vectors that may not be read were not counted, though rows were.
    counted = None if subject.unread else tally
    return [
        _invalid(subject, found.indexes),
        _unused(subject, found.ours, statistics),
        _oversized(subject, found.ours, counted),
        _other_metric(subject, found),
        _without(subject, found, counted),
        _over_limit(subject, found, counted),
    ]


def _invalid(subject: Subject, indexes: Sequence[StandingIndex]) -> Finding:
    ill = [each for each in indexes if not each.valid and not each.building]
    unsure = [each for each in indexes if not each.valid and each.building]
    if unsure and not ill:
        why = f"{_listed(unsure)}: not valid yet, or no more; an index is being built just now, perhaps this one"
        return unchecked("invalid-index", "error", why)
    found = Finding(
        name="invalid-index",
        verdict="found",
        severity="error",
        said=f"{_listed(ill)}: not valid, so that every write pays for it and no search uses it",
        do=rebuilt(ill),
        sql=shown(subject, "indisvalid, indisready"),
    )
    return _or_clean(found, ill, f"every index of {subject.scope.relation} is valid")


def _unused(subject: Subject, ours: Sequence[StandingIndex], statistics: Statistics) -> Finding:
    # One part of an index cannot be dropped, and partitions of old rows are rightly searched by nobody.
    used = {each.whole for each in ours if each.whole is not None and each.scans}
    ill = [each for each in ours if each.valid and not each.scans and each.whole not in used]
    if ill and statistics.age_s < subject.scrutiny.unused_s:
        why = f"no search went through {_listed(ill)} since {statistics.since}, which is too short a time to tell"
        return unchecked("unused-index", "warning", why)
    found = Finding(
        name="unused-index",
        verdict="found",
        severity="warning",
        said=f"{_listed(ill)}: no search went through it since {statistics.since}",
        do="Unless it was built just now, look at the plan of the application's own query, and at standbys, which count"
        f" for themselves. If nobody needs it: {dropped(ill)}",
        sql=f"SELECT indexrelid::regclass, idx_scan FROM pg_stat_all_indexes WHERE relid {tables(subject)};",
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
        do=renewed(ill),
        sql=shown(subject, "pg_relation_size(indexrelid)"),
    )
    return _or_clean(found, ill, "no vector index is much larger than its rows need")


def _other_metric(subject: Subject, standing: Standing) -> Finding:
    metric = subject.scrutiny.metric
    if metric is None:
        return unchecked("metric", "warning", "the file names no metric in [target.index]")
    # An index on bits has a distance of its own, and what it finds is ranked again.
    ours = standing.ours
    plain = [each for each in ours if each.base in MAX_DIMENSIONS]
    fitting = [each for each in ours if each not in plain or each.operators == operator_class(each.base, metric)]
    ill = [] if fitting else plain
    held = ", ".join(f"{each.relation} is of {each.operators}" for each in ill)
    found = Finding(
        name="metric",
        verdict="found",
        severity="warning",
        said=f"searches by {metric} can use no index: {held}",
        do=f"{creation(subject, standing.parts, all_parts=True)} Or set metric in [target.index] to the one that the"
        " application searches by.",
        sql=shown(subject, "pg_get_indexdef(indexrelid)"),
    )
    return _or_clean(found, ill, f"an index serves searches by {metric}" if ours else "there is no vector index")


def _without(subject: Subject, standing: Standing, tally: Tally | None) -> Finding:
    if standing.serving and not standing.bare:
        return Finding(name="no-index", verdict="clean", severity="warning", said="a vector index stands")
    if standing.serving:
        return _without_parts(subject, standing)
    if tally is None:
        return unchecked("no-index", "warning", "no valid vector index stands, and nobody could count the vectors")
    vectors = tally.so["vectors"].count
    found = Finding(
        name="no-index",
        verdict="found",
        severity="warning",
        said=f"no valid vector index stands: every search reads all of {vectors:,} vectors",
        count=vectors,
        do=creation(subject, standing.parts, all_parts=True),
        sql=shown(subject, "pg_get_indexdef(indexrelid)"),
    )
    if vectors >= _MANY_ROWS:
        return found
    return _or_clean(found, (), f"no vector index stands, and {vectors:,} vectors do without one")


def _without_parts(subject: Subject, standing: Standing) -> Finding:
    """Some partitions have an index and others none; what these hold is known from the catalogue."""
    bare = standing.bare
    rows = sum(max(0.0, each.rows) for each in bare)
    uncounted = [each for each in bare if each.rows < 0]
    if rows < _MANY_ROWS and uncounted:
        why = f"no valid vector index stands on {_listed(uncounted)}, and nobody has counted the rows there"
        return unchecked("no-index", "warning", why)
    of_all = f"{len(bare):,} of {len(standing.parts):,} partitions have no valid vector index"
    found = Finding(
        name="no-index",
        verdict="found",
        severity="warning",
        said=f"{of_all}: every search that comes to them reads all of their about {rows:,.0f} rows",
        do=creation(subject, bare, all_parts=False),
        sql=shown(subject, "pg_get_indexdef(indexrelid)"),
    )
    return _or_clean(found, bare if rows >= _MANY_ROWS else (), f"{of_all}; their about {rows:,.0f} rows do without")


def _over_limit(subject: Subject, standing: Standing, tally: Tally | None) -> Finding:
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
        do=f"{creation(subject, standing.parts, all_parts=True)} Or move to fewer dimensions: limosa plan FILE shows"
        " what that takes.",
    )
    if most <= limit:
        return _or_clean(found, (), f"{most:,} dimensions are within the {limit:,} of an index on {column.base}")
    if any(each.valid for each in standing.ours):
        return _or_clean(found, (), f"an index on an expression serves {most:,} dimensions of {column.base}")
    return found


def _or_clean(found: Finding, ill: Sequence[StandingIndex | Part], clean: str) -> Finding:
    """What was found of these indexes or partitions; that all is well where there are none."""
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


def _listed(indexes: Sequence[StandingIndex | Part]) -> str:
    return ", ".join(str(each.relation) for each in indexes)


def _mb(size_bytes: int | None) -> str:
    return f"{(size_bytes or 0) / 1e6:,.1f} MB"
