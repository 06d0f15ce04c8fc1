"""The keys that a table offers, and what stands against the table itself: in plan's own words."""

from __future__ import annotations

from limosa.model.plan import Check
from limosa.ports.named import named_sql
from limosa.ports.tx import Tx
from limosa.stores.postgres.catalogue import Table
from limosa.stores.postgres.checks import key_column_checks, table_checks
from limosa.stores.postgres.grants import row_security_checks
from limosa.stores.postgres.names import quoted
from limosa.stores.postgres.surroundings import family, key_columns

__all__ = ["keys_of", "objections"]

_SQL = named_sql("limosa.stores.postgres", "discovery")


def keys_of(tx: Tx, table: Table) -> tuple[tuple[tuple[str, ...], ...], list[str]]:
    """Keys that limosa can walk, the primary one first; and, where there is none, why not."""
    fit: list[tuple[str, ...]] = []
    against: list[str] = []
    for _, columns in tx.execute(_SQL["unique_keys"], {"oid": table.oid}):
        found = [check for key in key_columns(tx, table.oid, columns) for check in key_column_checks(table, key)]
        if found:
            against += _told(found)
        elif tuple(columns) not in fit:
            fit.append(tuple(columns))
    if fit:
        return tuple(fit), []
    # On a partitioned table Postgres builds none concurrently, and none without the columns that rows are parted by.
    how, also = (" CONCURRENTLY", "") if table.kind != "p" else ("", ", those that rows are parted by among them")
    return (), against or [
        f"{table.relation} has no unique key: a valid, immediate unique index without a condition."
        f" CREATE UNIQUE INDEX{how} ON {table.relation.sql} (...); over columns that are NOT NULL{also}."
    ]


def objections(tx: Tx, table: Table) -> list[str]:
    """What plan would refuse of the table itself: its kind, its kin, its owner, its policies."""
    found = _told([*table_checks(table, family(tx, table.oid)), *row_security_checks(table)])
    if not table.owned:
        role = quoted(table.server.user)
        found.append(
            f"{table.server.user} does not own {table.relation}; {table.owner} does."
            f" GRANT {quoted(table.owner)} TO {role};"
        )
    return found


def _told(checks: list[Check]) -> list[str]:
    return [f"{check.said} {check.do}" for check in checks if check.verdict == "refused"]
