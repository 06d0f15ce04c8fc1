"""The rows of a table as a count and a digest, the same wherever they are."""

from __future__ import annotations

from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.names import Relation

__all__ = ["count_and_digest", "qualify"]


def qualify(tx: PostgresTx) -> None:
    """From here to the transaction's end every name is written, and printed, with its schema."""
    tx.raw("SET LOCAL search_path = ''")


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
