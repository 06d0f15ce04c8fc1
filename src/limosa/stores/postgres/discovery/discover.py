"""Discovery of a Postgres database: one read-only snapshot, every question with a bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from psycopg import errors as pg

from limosa.ports.discovery import Candidate, Discovery
from limosa.ports.named import named_sql
from limosa.stores.postgres.catalogue import look
from limosa.stores.postgres.database import Database, PostgresTx
from limosa.stores.postgres.discovery.bounds import CATALOGUE_MS, Asker, limit
from limosa.stores.postgres.discovery.candidate import array_candidate, busy_candidate, candidate
from limosa.stores.postgres.discovery.columns import VectorColumn, named, vector_columns
from limosa.stores.postgres.indexes import MAX_DIMENSIONS
from limosa.stores.postgres.names import Relation

__all__ = ["discover"]

_SQL = named_sql("limosa.stores.postgres", "discovery")

CLOSELY = 100
"""Columns that are looked at closely, those of the largest tables: a page that nobody reads is longer."""


def discover(url: str, *, table: str | None = None) -> Discovery:
    """The vector columns of a database, best first; changes nothing.

    Args:
        table: only this table, as a file names it.

    Raises:
        Refused: the server does not let limosa in, is too old, or ``table`` is no name.
        Transient: the server does not answer.
    """
    database = Database(url)
    try:
        with database.begin(snapshot=True) as tx:
            limit(tx, CATALOGUE_MS)
            return _discover(tx, database.title, table)
    finally:
        database.close()


def _discover(tx: PostgresTx, title: str, table: str | None) -> Discovery:
    name, extension, recovering, tables, schemas = tx.execute(_SQL["around"])[0]
    columns = vector_columns(tx)
    tables_with = tuple(dict.fromkeys(each.relation for each in columns if each.storable and each.kind in {"r", "p"}))
    columns = [each for each in columns if table is None or named(each, table)]
    remarks = []
    if extension is None:
        remarks.append(f"The extension vector is not installed in {name}.")
    if recovering:
        remarks.append("The server is a standby: plan wants the primary.")
    found, unseen = _closely(tx, columns, tables_with)
    return Discovery(
        database=title,
        candidates=tuple(sorted(found, key=_rank)),
        tables=tables,
        schemas=tuple(schemas),
        unseen=unseen,
        remarks=tuple(remarks),
        index_limits=MAX_DIMENSIONS,
    )


def _closely(
    tx: PostgresTx, columns: Sequence[VectorColumn], tables: Sequence[Relation]
) -> tuple[list[Candidate], int]:
    """The candidates among the first columns, and how many columns were not looked at."""
    asker = Asker(tx)
    taken = _under_way(tx)
    # Arrays are seldom embeddings: they come after every column that says what it is.
    ordered = sorted(columns, key=lambda each: each.element == "array")
    seen = []
    for column in ordered[:CLOSELY]:
        others = [each for each in tables if each != column.relation]
        each = _look(tx, asker, column, others)
        seen.append(_free(each, taken.get(column.place)) if each is not None else None)
    return [each for each in seen if each is not None], max(0, len(ordered) - CLOSELY)


def _look(tx: PostgresTx, asker: Asker, column: VectorColumn, others: Sequence[Relation]) -> Candidate | None:
    """One column, looked at; None where it only looks like vectors."""
    try:
        with tx.connection.transaction():
            if column.element == "array":
                return array_candidate(asker, column)
            return candidate(tx, asker, column, look(tx, column.relation.sql), others=others)
    except (pg.LockNotAvailable, pg.QueryCanceled):
        # Even a table's size is not told while somebody holds it exclusively.
        return busy_candidate(column)


def _under_way(tx: PostgresTx) -> dict[str, str]:
    """The places that a migration works on, with its name; none where the ledger may not be read."""
    if tx.execute(_SQL["ledger"]) != [(True,)]:
        return {}
    return dict(tx.execute(_SQL["under_way"]))


def _free(seen: Candidate, holder: str | None) -> Candidate:
    if holder is None:
        return seen
    said = f"The migration {holder} already works on {seen.table}.{seen.vector}. Finish it, or roll it back."
    return replace(seen, refused=(*seen.refused, said))


def _rank(each: Candidate) -> tuple[object, ...]:
    """What plan would take before what it would not; then what holds vectors, has texts, and has most rows."""
    empty = each.rows == 0 or each.null_share == 1
    return (not each.usable, empty, not each.texts, -each.rows, each.index is None, each.table, each.vector)
