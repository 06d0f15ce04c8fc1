"""Writing vectors to rows that are there: one guarded UPDATE for a batch, rejected rows found by bisecting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import psycopg
from psycopg import errors as pg

from limosa.errors import Refused
from limosa.model.batch import Key, Row, VectorRows, Vectors, Written
from limosa.ports.target import Part
from limosa.ports.tx import Begin, Tx
from limosa.stores.postgres.codec import array_of_vectors
from limosa.stores.postgres.database import PostgresTx, translated
from limosa.stores.postgres.names import quoted
from limosa.stores.postgres.rows import RowSource, keys_parameter, same_key, sent_keys
from limosa.stores.postgres.scope import Scope

__all__ = ["RowTarget"]

ROW_ERRORS = (pg.DataError, pg.IntegrityError, pg.ProgramLimitExceeded, pg.RaiseException)
"""What one row's data can cause; anything else is about the statement or the moment."""


_QUIET = "SET LOCAL session_replication_role = replica"

# The planner cannot know how few rows are sent; every other plan than by tuple id reads the table. What follows in
# the transaction goes by keys. A server that crashes may lose the last half second of such transactions, each
# whole, with its outcome and cursor: nobody has to wait for its disk.
_PLANNED = (
    "SET LOCAL enable_hashjoin = off",
    "SET LOCAL enable_mergejoin = off",
    "SET LOCAL enable_seqscan = off",
    "SET LOCAL synchronous_commit = off",
)

_SAVE = "SAVEPOINT limosa_rows"
_BACK = "ROLLBACK TO SAVEPOINT limosa_rows"
_DONE = "RELEASE SAVEPOINT limosa_rows"


@dataclass(frozen=True, slots=True)
class RowTarget:
    """Writes to one vector column of the place of a scope.

    Args:
        source: reads rows again where a row moved; same column.
        element_oid: oid of the column's element type.
        replicate: the role may set session_replication_role, so that the user's triggers rest.
    """

    begin: Begin
    scope: Scope
    column: str
    source: RowSource
    element_oid: int
    replicate: bool

    def write(self, rows: Sequence[Row], vectors: VectorRows, tx: Tx) -> Written:
        """Stores vector i with row i where the row is still the one that was read.

        Rows whose tuple changed are compared by their text; rows that another transaction holds are
        not waited for: they come back as moved.

        Args:
            vectors: n of length d, float32, finite, not zero.
        """
        assert isinstance(tx, PostgresTx)  # noqa: S101 - the ports promise that begin and write belong together
        if self.replicate:
            tx.send_raw(_QUIET)
        tx.send_raw(*_PLANNED, _SAVE)
        return self._write(list(range(len(rows))), rows, np.asarray(vectors), tx)

    def withdraw(self, part: Part, tx: Tx) -> int:
        """Refused: the vectors of a column go as a whole."""
        raise Refused(
            "A part of a column is not taken back by itself.",
            needed="A rollback of the whole migration.",
            do="limosa rollback FILE without --chunk or --table.",
        )

    def erase(self, keys: Sequence[Key], tx: Tx) -> None:
        """Sets the vectors of these keys to NULL."""
        assert isinstance(tx, PostgresTx)  # noqa: S101
        if not keys:
            return
        if self.replicate:
            tx.send_raw(_QUIET)
        scope = self.scope
        tx.raw(
            f"UPDATE {scope.relation.sql} AS t SET {quoted(self.column)} = NULL"
            f" FROM {sent_keys(scope)} WHERE {same_key(scope)} AND t.{quoted(self.column)} IS NOT NULL",
            *keys_parameter(keys),
        )

    def _write(self, places: list[int], rows: Sequence[Row], vectors: Vectors, tx: PostgresTx) -> Written:
        """Writes after a savepoint, and in halves where it has to go back there."""
        try:
            return self._write_all(places, rows, vectors, tx)
        except ROW_ERRORS as error:
            tx.send_raw(_BACK)
            if len(places) == 1:
                reason = (error.diag.message_primary or str(error)).splitlines()[0]
                return Written((), rejected=((places[0], f"Postgres rejected the row: {reason}"),))
            half = len(places) // 2
            parts = []
            for part in (places[:half], places[half:]):
                tx.send_raw(_SAVE)
                parts.append(self._write(part, rows, vectors, tx))
                tx.send_raw(_DONE)
            return Written(
                [*parts[0].landed, *parts[1].landed],
                moved=[*parts[0].moved, *parts[1].moved],
                gone=[*parts[0].gone, *parts[1].gone],
                rejected=[*parts[0].rejected, *parts[1].rejected],
            )

    def _write_all(self, places: list[int], rows: Sequence[Row], vectors: Vectors, tx: PostgresTx) -> Written:
        chosen = [rows[i] for i in places]
        checked = self.scope.text.query is None
        landed = [places[i] for i in self._update(chosen, vectors[places], tx)] if checked else []
        rest = sorted(set(places) - set(landed))
        if not rest:
            return Written(landed)
        # The tuple is another one now: the text decides. What stays locked is read again by the follower.
        held = {row.key: row for row in self.hold([rows[i].key for i in rest], tx)}
        same = [i for i in rest if rows[i].key in held and held[rows[i].key].text == rows[i].text]
        again = self._update([held[rows[i].key] for i in same], vectors[same], tx) if same else []
        landed += [same[i] for i in again]
        return Written(landed, moved=sorted(set(places) - set(landed)))

    def _update(self, rows: Sequence[Row], vectors: Vectors, tx: PostgresTx) -> list[int]:
        scope = self.scope
        table, column = scope.relation.sql, quoted(self.column)
        sql = f"""WITH limosa_held AS MATERIALIZED (
            SELECT s.place, s.vector, t.ctid AS tid
            FROM unnest($1::tid[], $2::xid[], $3::{scope.type}[]) WITH ORDINALITY AS s(tid, version, vector, place)
            JOIN {table} AS t ON t.ctid = s.tid AND t.xmin = s.version
            FOR NO KEY UPDATE OF t SKIP LOCKED)
        UPDATE {table} AS t SET {column} = h.vector FROM limosa_held AS h WHERE t.ctid = h.tid RETURNING h.place"""
        tids = "{" + ",".join(f'"{row.version[0]}"' for row in rows) + "}"
        versions = "{" + ",".join(row.version[1] for row in rows) + "}"
        packed = array_of_vectors(vectors, element_oid=self.element_oid, half=scope.base == "halfvec")
        return [place - 1 for (place,) in tx.raw(sql, tids, versions, packed)]

    def hold(self, keys: Sequence[Key], tx: Tx) -> list[Row]:
        """Locks the rows of these keys that nobody else has locked, and reads them as they are now."""
        assert isinstance(tx, PostgresTx)  # noqa: S101 - the ports promise that begin and hold belong together
        if not keys:
            return []
        scope = self.scope
        try:
            found = tx.raw(
                f"SELECT {scope.key_texts('t')} FROM {sent_keys(scope)}"
                f" JOIN {scope.relation.sql} AS t ON {same_key(scope)}"
                f" WHERE {scope.where()} FOR NO KEY UPDATE OF t SKIP LOCKED",
                *keys_parameter(keys),
            )
        except psycopg.OperationalError as error:
            raise translated(error) from error
        # Their text is read in a statement of its own: it sees what is locked now, joined tables too.
        return self.source.reread_in([tuple(row) for row in found], tx)
