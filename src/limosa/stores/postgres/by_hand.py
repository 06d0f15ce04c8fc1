"""The SQL by which a person repeats a proof: complete statements, with a stored vector where a query is needed."""

from __future__ import annotations

from collections.abc import Mapping

from limosa.stores.postgres.asked import Asked
from limosa.stores.postgres.classes import classes_sql
from limosa.stores.postgres.measuring import measuring_sql, norms_sql
from limosa.stores.postgres.names import literal
from limosa.stores.postgres.rows import text_join
from limosa.stores.postgres.search import BY_INDEX, EXACT, ColumnSearch, neighbours

__all__ = ["by_hand"]

K = 10


def by_hand(search: ColumnSearch, asked: Asked) -> Mapping[str, str]:
    """Name of a proof to the statements that repeat it on this side.

    What verify does range by range, each in a snapshot of its own, they do in one.
    """
    scope, seat = search.scope, search.column.seat
    span = scope.span(None, None)
    plain = Asked(search=search, side=asked.side)
    near = plain.exact(K, plain.stored)
    measured = f"{measuring_sql(search, span)};"
    relation = literal(seat.relation.sql)
    found = {
        "conservation": f"{classes_sql(scope, span, seat)};",
        "vectors": measured,
        "one space": measured,
        "canary": _sample(search),
        "norms": f"{norms_sql(search)};",
        "index": "SELECT indexrelid::regclass, indisvalid FROM pg_index"
        f" WHERE indrelid = {relation}::regclass;\nEXPLAIN {near};",
        "recall": "\n".join(
            ["BEGIN;", *_set(BY_INDEX), f"{near};", "ROLLBACK;", "BEGIN;", *_set(EXACT), f"{near};", "ROLLBACK;"]
        ),
        "thresholds": f"{_quantiles(search)};",
        "judged queries": f"{near};",
    }
    if asked.function is not None:
        exact = asked.exact(K, asked.stored)
        called = asked.sql(K, asked.stored)
        direct = [["BEGIN;", *_set(how), f"{exact};", "ROLLBACK;"] for how in (EXACT, BY_INDEX)]
        found["match function"] = "\n".join([f"{called};", *direct[0], *direct[1]])
    return found


def _set(wanted: Mapping[str, str]) -> list[str]:
    return [f"SET LOCAL {name} = {literal(value)};" for name, value in wanted.items()]


def _sample(search: ColumnSearch) -> str:
    scope, seat = search.scope, search.column.seat
    return (
        f"SELECT {scope.key_texts('t')}, {scope.text_of('t')}, {seat.value}"
        f" FROM {scope.relation.sql} AS t{seat.joined('JOIN')}{text_join(scope)}"
        f" WHERE {seat.value} IS NOT NULL AND {scope.where()} ORDER BY random() LIMIT 32;"
    )


def _quantiles(search: ColumnSearch) -> str:
    """Quantiles of the distances to the nearest rows, of a sample of stored vectors and each without its own row."""
    scope, seat = search.scope, search.column.seat
    base = f"{scope.relation.sql} AS t{seat.joined('JOIN')} WHERE {seat.value} IS NOT NULL AND {scope.where()}"
    cast = f"{scope.operators}.{search.column.base}"
    near = neighbours(scope, search.column, search.metric, k=K + 1, where=scope.where(), listed=scope.key_array("t"))
    near = near.replace(f'$1::{scope.operators}."{search.column.base}"', f"q.vector::{cast}")
    return (
        "SELECT percentile_cont(ARRAY[0.05, 0.25, 0.5, 0.75, 0.95]) WITHIN GROUP (ORDER BY n.distance)"
        f" FROM (SELECT {scope.key_array('t')} AS key, {seat.value} AS vector FROM {base}"
        " ORDER BY random() LIMIT 200) AS q"
        f" CROSS JOIN LATERAL ({near}) AS n(key, distance) WHERE n.key <> q.key"
    )
