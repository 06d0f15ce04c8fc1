"""What can be said of a Postgres table before anything is touched: checks, counts, sizes, operations."""

from __future__ import annotations

from limosa.model.migration import Migration
from limosa.model.operation import Operation
from limosa.model.plan import Check
from limosa.ports.store import Facts
from limosa.stores.postgres.catalogue import Table, functions
from limosa.stores.postgres.database import Database, PostgresTx
from limosa.stores.postgres.layouts.column import ColumnLayout
from limosa.stores.postgres.match import MatchFunction
from limosa.stores.postgres.names import Relation, parse_relation, quoted
from limosa.stores.postgres.scope import Scope

__all__ = ["inspect", "match_function"]

SAMPLE = 200
"""Texts that are read for tokens and probe calls: their mean length is known to within a few percent."""


def inspect(database: Database, migration: Migration, table: Table, scope: Scope) -> Facts:
    """What can be said of the place; changes nothing."""
    with database.begin() as tx:
        counts = count_rows(tx, scope)
        texts = sample_texts(tx, scope)
        match = match_function(tx, migration, table, scope)
    layout = ColumnLayout(scope=scope, table=table, index=migration.index, match=match, rows=counts["rows"])
    checks: tuple[Check, ...] = ()
    return Facts(
        checks=checks,
        counts=counts,
        sizes={},
        texts=texts,
        characters=sum(map(len, texts)) / len(texts) if texts else 0.0,
        operations=operations(layout),
    )


def operations(layout: ColumnLayout) -> tuple[Operation, ...]:
    """The whole way from expand to finish."""
    return (*layout.make_room(), *layout.build_index(), *layout.switch(), *layout.clear_away())


def count_rows(tx: PostgresTx, scope: Scope) -> dict[str, int]:
    """Rows by what they hold; one pass over the table."""
    text, where, vector = scope.text_of("t"), scope.where(), f"t.{quoted(scope.vector)}"
    kept = f"coalesce({where}, false)"
    blank = "true" if scope.text.query is not None else f"coalesce(btrim({text}), '') = ''"
    if scope.text.query is not None:
        blank = "false"
    found = tx.raw(
        f"SELECT count(*) FILTER (WHERE {kept}), count(*) FILTER (WHERE {kept} AND {vector} IS NOT NULL),"
        f" count(*) FILTER (WHERE {kept} AND {vector} IS NULL), count(*) FILTER (WHERE {kept} AND {blank}),"
        f" count(*) FILTER (WHERE NOT {kept} AND {vector} IS NOT NULL) FROM {scope.relation.sql} AS t"
    )[0]
    names = ("rows", "with_vector", "without_vector", "without_text", "outside")
    return {name: int(value) for name, value in zip(names, found, strict=True)}


def sample_texts(tx: PostgresTx, scope: Scope) -> tuple[str, ...]:
    """Some texts of rows in the filter."""
    if scope.text.query is not None:
        return ()
    text = scope.text_of("t")
    rows = tx.raw(
        f"SELECT {text} FROM {scope.relation.sql} AS t WHERE {scope.where()} AND coalesce(btrim({text}), '') <> ''"
        f" ORDER BY random() LIMIT {SAMPLE}"
    )
    return tuple(row[0] for row in rows)


def match_function(tx: PostgresTx, migration: Migration, table: Table, scope: Scope) -> MatchFunction | None:
    """The match function of the file, resolved against the catalogue; None where the file names none."""
    match = migration.match
    if match is None or scope.shape == "fill":
        return None
    schema, name = parse_relation(match.function)
    existing = functions(tx, match.function)
    metric = migration.index.metric if migration.index is not None else "cosine"
    return MatchFunction(
        scope=scope,
        match=match,
        relation=Relation(schema or scope.relation.schema, name),
        returns=tuple(table.require(column, "a column that the match function returns") for column in match.returns),
        metric=metric,
        old_base=table.require(scope.vector, "the vector column").base,
        existing=existing[0] if len(existing) == 1 else None,
    )
