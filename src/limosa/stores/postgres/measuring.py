"""Vectors of one column measured by Postgres itself, so that none travels: those that no search can use, and norms."""

from __future__ import annotations

from limosa.model.batch import Key
from limosa.ports.evidence import Measured, Norms
from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.names import literal, quoted
from limosa.stores.postgres.scope import Span
from limosa.stores.postgres.search import FULL_SAMPLE_ROWS, ColumnSearch, estimated_rows

__all__ = ["NORM_ROWS", "OFF_UNIT", "measured_in", "measuring_sql", "norms_in", "norms_sql"]

OFF_UNIT = 0.01
"""A norm that is further than this from 1 is not one of a normalised vector: half precision costs 0.0005, and the
base64 or decimal text of an answer less."""

NORM_ROWS = 50_000
"""Norms that are looked at in a larger table: a share of one in ten thousand goes unseen once in 150 times; at 1,536
dimensions they are 310 MB to read."""

_NORMS = {"vector": "vector_norm", "halfvec": "l2_norm"}


def measured_in(search: ColumnSearch, after: Key | None, upper: Key | None, tx: PostgresTx) -> Measured:
    """The vectors of rows in (after, upper]; a None edge is no edge. Reads every vector of the range."""
    span = search.scope.span(after, upper)
    *counts, examples = tx.raw(measuring_sql(search, span), *span.params)[0]
    names = ("vectors", "outside", "excepted", "wrong_size", "not_finite", "zero")
    found = {name: int(count) for name, count in zip(names, counts, strict=True)}
    return Measured(**found, examples=tuple(tuple(key) for key in examples or ()))


def measuring_sql(search: ColumnSearch, span: Span) -> str:
    """The statement that counts the vectors of a span; its parameters are the span's."""
    scope, column = search.scope, search.column
    extension = quoted(scope.extension_schema)
    vector = column.seat.value
    ids = literal(scope.id)
    return f"""WITH limosa_changed AS (SELECT DISTINCT key FROM limosa.change WHERE migration = {ids}),
    limosa_measured AS (
        SELECT {scope.key_array("t")} AS key, coalesce({scope.where()}, false) AS kept,
            x.key IS NOT NULL AND g.key IS NULL AS excepted,
            {extension}.vector_dims({vector}) <> {column.dimensions} AS wrong_size,
            {_norm(search)} AS norm
        FROM {scope.relation.sql} AS t{column.seat.joined("JOIN", span.inside)}
        LEFT JOIN limosa_changed AS g ON g.key = {scope.key_array("t")}
        LEFT JOIN limosa.exception AS x ON x.migration = {ids} AND x.key = {scope.key_array("t")}
        WHERE {vector} IS NOT NULL AND {span.inside("t")}),
    limosa_judged AS (
        SELECT *, norm = 0 AS zero, norm IN ('NaN', 'Infinity') AS not_finite FROM limosa_measured)
    SELECT count(*), count(*) FILTER (WHERE NOT kept), count(*) FILTER (WHERE excepted),
        count(*) FILTER (WHERE wrong_size), count(*) FILTER (WHERE not_finite AND NOT wrong_size),
        count(*) FILTER (WHERE zero AND NOT wrong_size),
        (array_agg(key) FILTER (WHERE wrong_size OR not_finite OR zero))[1:3]
    FROM limosa_judged"""


def norms_in(search: ColumnSearch, tx: PostgresTx) -> Norms:
    """Norms of every vector of the filter; above 200,000 rows of a sample of whole pages."""
    rows = estimated_rows(tx, search.scope.table_oid)
    whole = rows <= FULL_SAMPLE_ROWS
    found = tx.raw(norms_sql(search, 100.0 if whole else 100.0 * NORM_ROWS / rows))[0]
    count, minimum, median, maximum, unit = found
    return Norms(
        rows=int(count),
        whole=whole,
        minimum=minimum,
        median=median,
        maximum=maximum,
        unit=int(unit),
        rule=f"within {OFF_UNIT} of 1",
    )


def norms_sql(search: ColumnSearch, percent: float = 100.0) -> str:
    """The statement that gives count, least, median and greatest norm, and how many are 1.

    Args:
        percent: of the table's pages that are looked at.
    """
    scope, seat = search.scope, search.column.seat
    pages = f" TABLESAMPLE SYSTEM ({percent:.4f})" if percent < 100 else ""
    return (
        "SELECT count(*), min(norm), percentile_cont(0.5) WITHIN GROUP (ORDER BY norm), max(norm),"
        f" count(*) FILTER (WHERE abs(norm - 1) <= {OFF_UNIT})"
        f" FROM (SELECT {_norm(search)} AS norm FROM {scope.relation.sql} AS t{pages}{seat.joined('JOIN')}"
        f" WHERE {seat.value} IS NOT NULL AND {scope.where()}) AS limosa_norms"
    )


def _norm(search: ColumnSearch) -> str:
    extension = quoted(search.scope.extension_schema)
    return f"{extension}.{_NORMS[search.column.base]}({search.column.seat.value})"
