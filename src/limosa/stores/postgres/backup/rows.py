"""The rows of a table as a count and a digest, the same wherever they are."""

from __future__ import annotations

from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.names import Relation

__all__ = ["count_and_digest", "settle"]


_SETTINGS = {
    # Names are written, and printed, with their schema.
    "search_path": "",
    "bytea_output": "hex",
    # Roles of hosted databases are often given a minute or two; a snapshot waits while pg_dump works.
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "transaction_timeout": "0",
}
"""What has to be so in a transaction that makes a backup, or puts one back; a server knows the last from 17 on."""


def settle(tx: PostgresTx) -> None:
    """Settings to the end of the transaction: equal texts for equal rows, and time enough."""
    tx.raw(
        "SELECT set_config(s.name, w.value, true) FROM pg_catalog.pg_settings AS s"
        " JOIN unnest($1::text[], $2::text[]) AS w(name, value) ON w.name = s.name",
        list(_SETTINGS),
        list(_SETTINGS.values()),
    )


def count_and_digest(tx: PostgresTx, table: Relation) -> tuple[int, str]:
    """How many rows a table has, and the sum modulo 2^64 of a hash of each row's text.

    The text of a float is its shortest exact form, so that equal texts are equal bits; the session's settings fix the
    rest. A sum and not XOR: equal rows would cancel. Half of an MD5 is enough against accidents, and every server
    has it.
    """
    row = "('x' || left(md5(ROW(t.*)::text), 16))::bit(64)::bigint::numeric"
    found = tx.raw(
        f"SELECT count(*), mod(coalesce(sum({row}), 0) + 2^127::numeric, 2^64::numeric) FROM ONLY {table.sql} AS t"
    )
    return int(found[0][0]), f"{int(found[0][1]):016x}"
