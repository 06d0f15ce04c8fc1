"""The class of every key, counted in one snapshot of table and ledger."""

from __future__ import annotations

from limosa.model.batch import Key
from limosa.stores.sqlite.database import SqliteTx
from limosa.stores.sqlite.engine import Value
from limosa.stores.sqlite.names import literal, quoted
from limosa.stores.sqlite.scope import Scope

__all__ = ["classify", "pending"]

CLASSES = ("pending", "dead", "skipped", "done", "lost")
"""In the order in which the first that is true is taken."""


def _in_targets(scope: Scope, alias: str) -> str:
    """Whether a target holds a vector for a row of the source."""
    key, vector = quoted(scope.key.name), quoted(scope.split.vector)
    return " OR ".join(
        f"EXISTS (SELECT 1 FROM {quoted(table)} AS g"
        f" WHERE g.{key} = {alias}.{key} AND g.{vector} IS NOT NULL AND {scope.ours('g')})"
        for table in scope.targets
    )


def classify(scope: Scope, after: Key | None, upper: Key | None, tx: SqliteTx, *, table: str) -> dict[str, int]:
    """Rows of the filter in (after, upper] by class; a None edge is no edge."""
    ids, key = literal(scope.id), f"t.{quoted(scope.key.name)}"
    params: list[Value] = []
    inside = ["true"]
    for edge, sign in ((after, ">"), (upper, "<=")):
        if edge is not None:
            params.append(scope.value(edge))
            inside.append(f"{key} {sign} ?")
    sql = f"""SELECT class, count(*) FROM (
        SELECT CASE
            WHEN {pending(scope, "t")} THEN 'pending'
            WHEN x.kind IS NOT NULL THEN x.kind
            WHEN {_in_targets(scope, "t")} THEN 'done'
            ELSE 'lost' END AS class
        FROM {quoted(table)} AS t
        LEFT JOIN limosa_exception AS x ON x.migration = {ids} AND x.key = {scope.key_json("t")}
        WHERE {" AND ".join(inside)} AND {scope.filter("t", table)}) GROUP BY class"""
    found = {str(name): int(count) for name, count in tx.raw(sql, *params)}
    return {name: found.get(name, 0) for name in CLASSES}


def pending(scope: Scope, alias: str) -> str:
    """A change covers the row, or the unread part of an open chunk, or it lies beyond the last chunk that was cut."""
    ids = literal(scope.id)
    changed = f"SELECT 1 FROM limosa_change AS c WHERE c.migration = {ids} AND c.key = {scope.key_json(alias)}"
    unread = (
        f"SELECT 1 FROM limosa_chunk AS c WHERE c.migration = {ids} AND c.follows = 0 AND c.state = 'open'"
        f" AND {_beyond(scope, alias, 'c.cursor', 'c.upper')}"
    )
    uncut = (
        f"SELECT 1 FROM limosa_migration AS m WHERE m.id = {ids} AND m.top IS NOT NULL"
        f" AND m.frontier IS NOT m.top AND {_beyond(scope, alias, 'm.frontier', 'm.top')}"
    )
    return f"(EXISTS ({changed}) OR EXISTS ({unread}) OR EXISTS ({uncut}))"


def _beyond(scope: Scope, alias: str, after: str, upper: str) -> str:
    """The key lies in (after, upper], where ``after`` may be NULL for the beginning."""
    key, kind = f"{alias}.{quoted(scope.key.name)}", "INTEGER" if scope.key.integer else "TEXT"

    def edge(text: str) -> str:
        return f"CAST(json_extract({text}, '$[0]') AS {kind})"

    return f"({after} IS NULL OR {key} > {edge(after)}) AND {key} <= {edge(upper)}"
