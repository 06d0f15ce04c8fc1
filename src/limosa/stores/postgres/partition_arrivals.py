"""Rows that came with a partition, past every trigger: queued, and without a vector that nobody vouches for."""

from __future__ import annotations

from limosa.model.operation import Operation
from limosa.stores.postgres.names import dollar_quoted, literal, quoted
from limosa.stores.postgres.partitions import Arrival
from limosa.stores.postgres.runner import LOCK_WAIT_MS, PATIENCE_S
from limosa.stores.postgres.scope import Scope
from limosa.stores.postgres.seat import Seat

__all__ = ["arrivals"]

_BATCH_ROWS = 500
"""Rows that one transaction empties and queues: as with every write, few enough to commit within 50 ms."""


def arrivals(scope: Scope, late: Arrival, seat: Seat) -> Operation:
    """Queues the rows of a partition that was attached.

    Whether a vector that came along was made from the text beside it, nobody has seen. Before the switch the column is
    limosa's own, and every row is embedded anew; after it the application may have made the vectors itself, so that
    only those of a partition that was followed before, and was not in between, are. A table beside has none to bring.

    Args:
        seat: where the new vectors stand now.
    """
    own = seat.column != scope.vector
    if scope.renames and (own or late.returned):
        return _anew(scope, late, seat)
    missing = seat.missing
    if scope.shape == "fill":
        # Those that limosa has filled are its own, to be made anew; others are the application's.
        ids = literal(scope.id)
        touched = f"SELECT FROM limosa.touched AS x WHERE x.migration = {ids} AND x.key = {scope.key_array('t')}"
        missing = f"({missing} OR EXISTS ({touched}))"
    queue = (
        f"INSERT INTO limosa.change (migration, key) SELECT {literal(scope.id)}, {scope.key_array('t')}"
        f" FROM {late.relation.sql} AS t{seat.joined()} WHERE {scope.where()} AND {missing}"
    )
    return Operation(id=f"queue-{late.relation}", step="expand", title=_title(late), do=(queue,))


def _title(late: Arrival) -> str:
    return f"Queue the rows of {late.relation}, which {'came back' if late.returned else 'came after expand'}"


def _anew(scope: Scope, late: Arrival, seat: Seat) -> Operation:
    """Queues every row and empties its vector, in short transactions one after another, in the order of the keys.

    A row that the application holds is waited for as briefly as any lock, and then asked for again: it never becomes
    the victim of a deadlock. Killed in between it begins again, as the partition is not armed yet.
    """
    table, column = late.relation.sql, quoted(seat.column)
    keys, queued = scope.keys("t"), scope.key_array("b")
    same = " AND ".join(f"t.{quoted(each.name)} = b.{quoted(each.name)}" for each in scope.key)
    down = ", ".join(f"b.{quoted(each.name)} DESC" for each in scope.key)
    batch = f"""WITH limosa_batch AS MATERIALIZED (
        SELECT {keys}, ({scope.where()}) AS limosa_kept FROM {table} AS t
        WHERE $1 IS NULL OR ({keys}) > ({scope.edge("$1")}) ORDER BY {keys} LIMIT {_BATCH_ROWS}),
    limosa_emptied AS (
        UPDATE {table} AS t SET {column} = NULL FROM limosa_batch AS b WHERE {same} AND t.{column} IS NOT NULL),
    limosa_queued AS (
        INSERT INTO limosa.change (migration, key)
        SELECT {literal(scope.id)}, {queued} FROM limosa_batch AS b WHERE b.limosa_kept)
    SELECT {queued} FROM limosa_batch AS b ORDER BY {down} LIMIT 1"""
    body = f"""DECLARE
  last text[];
  reached text[];
  since timestamptz := clock_timestamp();
BEGIN
  IF has_parameter_privilege('session_replication_role', 'SET') THEN
    -- The application's triggers rest, as for every vector that is written.
    PERFORM set_config('session_replication_role', 'replica', false);
  END IF;
  LOOP
    BEGIN
      EXECUTE {literal(batch)} INTO reached USING last;
      EXIT WHEN reached IS NULL;
      last := reached;
      since := clock_timestamp();
    EXCEPTION
      WHEN undefined_table THEN
        EXIT;
      WHEN lock_not_available OR deadlock_detected OR serialization_failure THEN
        IF clock_timestamp() > since + interval '{PATIENCE_S} s' THEN
          RAISE;
        END IF;
        PERFORM pg_sleep(0.02 + random() / 5);
    END;
    COMMIT;
  END LOOP;
END"""
    return Operation(
        id=f"queue-{late.relation}",
        step="expand",
        title=f"{_title(late)}, and embed them anew",
        do=(f"DO {dollar_quoted(body)}",),
        transactional=False,
        # All of its transactions are one statement, and no time is set to that.
        settings=(("lock_timeout", f"{LOCK_WAIT_MS}ms"), ("statement_timeout", "0"), ("synchronous_commit", "off")),
    )
