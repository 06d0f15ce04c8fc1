"""Writing vectors of rows that are there: guarded, a batch at once, rejected rows found by bisecting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import psycopg
from psycopg import errors as pg

from limosa.errors import Refused
from limosa.model.batch import Key, Row, VectorRows, Vectors, Written
from limosa.ports.target import Part
from limosa.ports.tx import Begin, Tx
from limosa.stores.postgres.codec import array_of_vectors, copy_blocks
from limosa.stores.postgres.database import PostgresTx, translated
from limosa.stores.postgres.names import quoted
from limosa.stores.postgres.rows import RowSource, keys_parameter, same_key, sent_keys
from limosa.stores.postgres.scope import Scope
from limosa.stores.postgres.seat import Seat

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

_MOVED = "limosa_moved"
_MOVES = 20
"""Tries before moving rows end the transaction: each takes another move within the millisecond of a statement."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class RowTarget:
    """Writes to the vectors of one side of the place of a scope.

    Into the table itself by one UPDATE; into a table beside it by COPY, while the rows are locked.

    Args:
        source: reads rows again where a row moved; same seat.
        element_oid, base: oid and name of the column's type, ``vector`` or ``halfvec``.
        replicate: the role may set session_replication_role, so that the user's triggers rest.
    """

    begin: Begin
    scope: Scope
    seat: Seat
    source: RowSource
    element_oid: int
    base: str
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
        """Takes the vectors of these keys away."""
        assert isinstance(tx, PostgresTx)  # noqa: S101
        if not keys:
            return
        if self.replicate:
            tx.send_raw(_QUIET)
        scope = self.scope
        seat = self.seat
        same, relation = same_key(scope, seat.alias), f"{seat.relation.sql} AS {seat.alias}"
        if seat.beside:
            sql = f"DELETE FROM {relation} USING {sent_keys(scope)} WHERE {same}"
        else:
            to_null = f"SET {quoted(seat.column)} = NULL"
            sql = f"UPDATE {relation} {to_null} FROM {sent_keys(scope)} WHERE {same} AND {seat.held}"
        self._unmoved(tx, lambda: tx.raw(sql, *keys_parameter(keys)))

    def _write(self, places: list[int], rows: Sequence[Row], vectors: Vectors, tx: PostgresTx) -> Written:
        """Writes after a savepoint, and in halves where it has to go back there."""
        try:
            return self._write_all(places, rows, vectors, tx)
        except ROW_ERRORS as error:
            tx.send_raw(_BACK)
            if len(places) == 1 and isinstance(error, pg.UniqueViolation) and self.seat.beside:
                # Somebody else has written its vector meanwhile: the follower looks again.
                return Written((), moved=tuple(places))
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
                stood=[*parts[0].stood, *parts[1].stood],
            )

    def _write_all(self, places: list[int], rows: Sequence[Row], vectors: Vectors, tx: PostgresTx) -> Written:
        chosen = [rows[i] for i in places]
        checked = self.scope.text.query is None
        landed = [places[i] for i in self._put(chosen, vectors[places], tx)] if checked else []
        rest = sorted(set(places) - set(landed))
        if not rest:
            return Written(landed)
        # The tuple is another one now: the text decides. What stays locked is read again by the follower.
        held = {row.key: row for row in self.hold([rows[i].key for i in rest], tx)}
        same = [i for i in rest if rows[i].key in held and held[rows[i].key].text == rows[i].text]
        # Somebody else's vector of this very text is not written over.
        stood = [i for i in same if held[rows[i].key].filled and not rows[i].filled]
        same = [i for i in same if i not in stood]
        again = self._put([held[rows[i].key] for i in same], vectors[same], tx) if same else []
        landed += [same[i] for i in again]
        return Written(landed, moved=sorted(set(places) - {*landed, *stood}), stood=stood)

    def _put(self, rows: Sequence[Row], vectors: Vectors, tx: PostgresTx) -> list[int]:
        """Places of the rows that are still what was read, whose vectors are written now."""
        tids = "{" + ",".join(f'"{row.version[0]}"' for row in rows) + "}"
        versions = "{" + ",".join(row.version[1] for row in rows) + "}"
        keys = keys_parameter([row.key for row in rows]) if self.scope.partitioned else ()
        put = self._insert if self.seat.beside else self._update
        return self._unmoved(tx, lambda: put((tids, versions, *keys), vectors, tx))

    def _unmoved(self, tx: PostgresTx, work: Callable[[], _T]) -> _T:
        """Does the work again where a row moved to another partition just as its lock was asked for.

        Postgres fails the statement then, though it was not to wait; the next one sees that the row is gone.
        """
        if not self.scope.partitioned:
            return work()
        for _ in range(_MOVES):
            tx.send_raw(f"SAVEPOINT {_MOVED}")
            try:
                done = work()
            except pg.SerializationFailure:
                # It may be told before the pipeline's end was sent: until that comes every statement is passed over.
                tx.arrive()
                tx.send_raw(f"ROLLBACK TO SAVEPOINT {_MOVED}")
                continue
            tx.send_raw(f"RELEASE SAVEPOINT {_MOVED}")
            return done
        return work()

    def _sent(self, *types: str) -> tuple[str, str]:
        """What tells rows apart as a table ``s`` of arrays ($1 and on), and when a row of ``t`` is one of them.

        A tuple id is one of several where there are partitions: there the key says which, and Postgres looks into that
        partition alone.

        Args:
            types: of the arrays that are sent behind, each named by its place.
        """
        scope = self.scope
        keys = [f"limosa_k{i}" for i in range(len(scope.key))] if scope.partitioned else []
        arrays = ["tid", "xid", *("text" for _ in keys), *types]
        listed = ", ".join(f"${i}::{kind}[]" for i, kind in enumerate(arrays, 1))
        names = ", ".join(["tid", "version", *keys, *(f"limosa_v{i}" for i in range(len(types))), "place"])
        same = f"{same_key(scope)} AND " if scope.partitioned else ""
        return (
            f"unnest({listed}) WITH ORDINALITY AS s({names})",
            f"{same}t.ctid = s.tid AND t.xmin = s.version",
        )

    def _update(self, sent: Sequence[object], vectors: Vectors, tx: PostgresTx) -> list[int]:
        scope, table, column = self.scope, self.seat.relation.sql, quoted(self.seat.column)
        rows, same = self._sent(f"{scope.operators}.{quoted(self.base)}")
        keys, found = "", ""
        if scope.partitioned:
            keys = f", {scope.keys('t')}"
            found = "".join(f"t.{quoted(c.name)} = h.{quoted(c.name)} AND " for c in scope.key)
        sql = f"""WITH limosa_held AS MATERIALIZED (
            SELECT s.place AS limosa_place, s.limosa_v0, t.ctid AS limosa_tid{keys}
            FROM {rows} JOIN {table} AS t ON {same}
            FOR NO KEY UPDATE OF t SKIP LOCKED)
        UPDATE {table} AS t SET {column} = h.limosa_v0 FROM limosa_held AS h
        WHERE {found}t.ctid = h.limosa_tid RETURNING h.limosa_place"""
        packed = array_of_vectors(vectors, element_oid=self.element_oid, half=self.base == "halfvec")
        return [place - 1 for (place,) in tx.raw(sql, *sent, packed)]

    def _insert(self, sent: Sequence[object], vectors: Vectors, tx: PostgresTx) -> list[int]:
        """By COPY, which no statement outdoes, after what stands there was deleted.

        A row whose vector another transaction holds is not waited for.
        """
        scope, seat = self.scope, self.seat
        side, v = f"{seat.relation.sql} AS {seat.alias}", seat.alias
        rows, same_row = self._sent()
        same = " AND ".join(f"{v}.{quoted(name)} = h.{quoted(name)}" for name in seat.key)
        keys = ", ".join(f"h.{quoted(name)}" for name in seat.key)
        sql = f"""WITH limosa_held AS MATERIALIZED (
            SELECT s.place AS limosa_place, {scope.keys("t")}
            FROM {rows} JOIN {scope.relation.sql} AS t ON {same_row}
            FOR NO KEY UPDATE OF t SKIP LOCKED),
        limosa_stood AS MATERIALIZED (
            SELECT {v}.ctid AS tid FROM limosa_held AS h JOIN {side} ON {same} FOR UPDATE OF {v} SKIP LOCKED),
        limosa_gone AS (DELETE FROM {side} USING limosa_stood AS s WHERE {v}.ctid = s.tid)
        SELECT h.limosa_place, {keys} FROM limosa_held AS h WHERE NOT EXISTS (
            SELECT FROM {side} WHERE {same} AND {v}.ctid NOT IN (SELECT tid FROM limosa_stood))"""
        found = tx.sent(sql, *sent)
        places = [int.from_bytes(row[0], "big") - 1 for row in found]
        if found:
            named = ", ".join(quoted(name) for name in (*seat.key, seat.column))
            blocks = copy_blocks([row[1:] for row in found], vectors[places], half=self.base == "halfvec")
            tx.copy(f"COPY {seat.relation.sql} ({named}) FROM STDIN (FORMAT binary)", blocks)
        return places

    def hold(self, keys: Sequence[Key], tx: Tx) -> list[Row]:
        """Locks the rows of these keys that nobody else has locked, and reads them as they are now."""
        assert isinstance(tx, PostgresTx)  # noqa: S101 - the ports promise that begin and hold belong together
        if not keys:
            return []
        scope = self.scope
        try:
            sql = (
                f"SELECT {scope.key_texts('t')} FROM {sent_keys(scope)}"
                f" JOIN {scope.relation.sql} AS t ON {same_key(scope)}"
                f" WHERE {scope.where()} FOR NO KEY UPDATE OF t SKIP LOCKED"
            )
            found = self._unmoved(tx, lambda: tx.raw(sql, *keys_parameter(keys)))
        except psycopg.OperationalError as error:
            raise translated(error) from error
        # Their text is read in a statement of its own: it sees what is locked now, joined tables too.
        return self.source.reread_in([tuple(row) for row in found], tx)
