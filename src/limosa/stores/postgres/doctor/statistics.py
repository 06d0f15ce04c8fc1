"""Ills of statistics: a table that the planner knows too little of; and since when the server counts."""

from __future__ import annotations

from dataclasses import dataclass

from limosa.model.finding import Finding
from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.doctor.subject import SQL, Subject
from limosa.stores.postgres.doctor.tally import Tally
from limosa.stores.postgres.names import literal

__all__ = ["Statistics", "outdated", "statistics_of"]

_CHANGED_SHARE = 0.2
_CHANGED_LEAST = 500
"""Twice the share, and ten times the least, at which autovacuum analyses a table by default
(autovacuum_analyze_scale_factor 0.1, autovacuum_analyze_threshold 50)."""

_FAR_OFF = 2.0
_FAR_OFF_LEAST = 1000
"""A table of twice or half as many rows as the catalogue says gets other plans than it should."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """What the server has counted.

    Attributes:
        rows: by the catalogue; below 0 where the table was never vacuumed or analysed.
        changed: rows changed since it was analysed last; analysed: when that was, as text.
        age_s, since: how long it has been counting how often indexes are used, and from when on.
    """

    rows: float
    changed: int
    analysed: str | None
    age_s: float
    since: str


def statistics_of(tx: PostgresTx, subject: Subject) -> Statistics:
    """What the server has counted of the table."""
    rows, changed, analysed, age_s, since = tx.execute(SQL["statistics"], {"oid": subject.table.oid})[0]
    return Statistics(rows=float(rows), changed=int(changed), analysed=analysed, age_s=float(age_s), since=str(since))


def outdated(subject: Subject, statistics: Statistics, tally: Tally | None) -> Finding:
    """Statistics that were never made, or that the table has outgrown."""
    relation = subject.scope.relation
    # What the filter leaves says nothing of the whole table.
    counted = tally.so["rows"].count if tally is not None and subject.scope.filter is None else None
    why = _why(statistics, counted)
    if not why:
        when = f", last on {statistics.analysed}" if statistics.analysed else ""
        return Finding(name="statistics", verdict="clean", severity="note", said=f"{relation} was analysed{when}")
    return Finding(
        name="statistics",
        verdict="found",
        severity="note",
        said=why,
        count=statistics.changed if statistics.rows >= 0 else None,
        do=f"ANALYZE {relation.sql};",
        sql="SELECT reltuples, n_mod_since_analyze, last_analyze, last_autoanalyze FROM pg_class AS c"
        f" JOIN pg_stat_all_tables AS s ON s.relid = c.oid WHERE c.oid = {literal(relation.sql)}::regclass;",
    )


def _why(statistics: Statistics, counted: int | None) -> str:
    rows = statistics.rows
    if rows < 0:
        return "" if counted == 0 else "the table was never analysed: the planner guesses how many rows it has"
    if statistics.changed > max(_CHANGED_LEAST, _CHANGED_SHARE * rows):
        return f"{statistics.changed:,} rows changed since the table was analysed, when it had {rows:,.0f}"
    if counted is None:
        return ""
    far = max(counted, rows) > _FAR_OFF * min(counted, rows)
    if far and abs(counted - rows) > _FAR_OFF_LEAST:
        return f"the catalogue says {rows:,.0f} rows, and there are {counted:,}"
    return ""
