"""The class of every key, counted in one snapshot of table and ledger."""

from __future__ import annotations

from limosa.model.batch import Key
from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.names import literal
from limosa.stores.postgres.scope import Scope, Span
from limosa.stores.postgres.seat import Seat

__all__ = ["classes_sql", "classify"]

CLASSES = ("pending", "dead", "skipped", "done", "lost")
"""In the order in which the first that is true is taken."""


def classify(scope: Scope, after: Key | None, upper: Key | None, tx: PostgresTx, *, seat: Seat) -> dict[str, int]:
    """Rows of the filter in (after, upper] by class; a None edge is no edge.

    Pending is what a change row or the unread part of an open chunk covers, or what lies beyond the
    last chunk that was cut.
    """
    span = scope.span(after, upper)
    found = {name: int(count) for name, count in tx.raw(classes_sql(scope, span, seat), *span.params)}
    return {name: found.get(name, 0) for name in CLASSES}


def classes_sql(scope: Scope, span: Span, seat: Seat) -> str:
    """The statement that counts the rows of a span by class; its parameters are the span's."""
    ids = literal(scope.id)
    unread = (
        f"SELECT FROM limosa.chunk AS c WHERE c.migration = {ids} AND NOT c.follows AND c.state = 'open'"
        f" AND {_beyond(scope, 'c.cursor', 'c.upper')}"
    )
    uncut = (
        f"SELECT FROM limosa.migration AS m WHERE m.id = {ids} AND m.top IS NOT NULL"
        f" AND m.frontier IS DISTINCT FROM m.top AND {_beyond(scope, 'm.frontier', 'm.top')}"
    )
    return f"""WITH limosa_changed AS (SELECT DISTINCT key FROM limosa.change WHERE migration = {ids}),
    limosa_classed AS (
        SELECT CASE
            WHEN g.key IS NOT NULL OR EXISTS ({unread}) OR EXISTS ({uncut}) THEN 'pending'
            WHEN x.kind IS NOT NULL THEN x.kind
            WHEN {seat.held} THEN 'done'
            ELSE 'lost' END AS class
        FROM {scope.relation.sql} AS t{seat.joined(inside=span.inside)}
        LEFT JOIN limosa_changed AS g ON g.key = {scope.key_array("t")}
        LEFT JOIN limosa.exception AS x ON x.migration = {ids} AND x.key = {scope.key_array("t")}
        WHERE {span.inside("t")} AND {scope.where()})
    SELECT class, count(*) FROM limosa_classed GROUP BY class"""


def _beyond(scope: Scope, after: str, upper: str) -> str:
    """The key lies in (after, upper], where ``after`` may be NULL for the beginning."""
    keys = scope.keys("t")
    return f"({after} IS NULL OR ({keys}) > ({scope.edge(after)})) AND ({keys}) <= ({scope.edge(upper)})"
