"""Writing rows of their own beside the source, guarded by what was read; the payload never leaves the database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from limosa.errors import Refused, RowRefused
from limosa.model.batch import Key, Row, VectorRows, Vectors, Written
from limosa.ports.target import Part
from limosa.ports.tx import Begin, Tx
from limosa.stores.sqlite.database import SqliteTx
from limosa.stores.sqlite.engine import Value
from limosa.stores.sqlite.names import literal, quoted
from limosa.stores.sqlite.rows import RowSource
from limosa.stores.sqlite.scope import HAD_VECTOR, Scope

__all__ = ["RowTarget", "had_vector"]

TAKEN = "its key stands in {} already, in a row that was not carried"


@dataclass(frozen=True, slots=True)
class RowTarget:
    """The tables that the source becomes; a vector's length picks the table."""

    begin: Begin
    scope: Scope
    source: RowSource

    def write(self, rows: Sequence[Row], vectors: VectorRows, tx: Tx) -> Written:
        """Stores vector i and the row's payload under the row's key, where the row is still the one that was read.

        Args:
            vectors: n of length d, float32; d picks the table.
        """
        assert isinstance(tx, SqliteTx)  # noqa: S101 - the ports promise that begin and write belong together
        moved = self._moved(rows, tx)
        taken = self._taken([row.key for row in rows], tx)
        strange = [(i, TAKEN.format(taken[row.key])) for i, row in enumerate(rows) if row.key in taken]
        places = [i for i, row in enumerate(rows) if i not in moved and row.key not in taken]
        table = self.scope.split.target(len(vectors[0]))
        filled = [rows[i].key for i in places if rows[i].filled]
        if filled:
            self._delete(filled, tx, leave=table)
        landed, rejected = self._insert(table, places, rows, vectors, tx)
        rejected += [(i, why) for i, why in strange if i not in moved]
        return Written(landed, moved=sorted(moved), rejected=rejected)

    def hold(self, keys: Sequence[Key], tx: Tx) -> list[Row]:
        """The rows of these keys as they are now; nobody else writes while this transaction is open."""
        assert isinstance(tx, SqliteTx)  # noqa: S101 - as above
        return self.source.reread_in(keys, tx)

    def erase(self, keys: Sequence[Key], tx: Tx) -> None:
        """Takes the rows of these keys out of every target."""
        assert isinstance(tx, SqliteTx)  # noqa: S101 - as above
        if keys:
            self._delete(keys, tx, leave="")

    def withdraw(self, part: Part, tx: Tx) -> int:
        """Takes the rows of a key range, or of one table, out of the targets and queues their keys.

        Raises:
            Refused: no target has that name.
        """
        assert isinstance(tx, SqliteTx)  # noqa: S101 - as above
        scope = self.scope
        tables = [name for name in scope.targets if part.table in {None, name}]
        if not tables:
            raise Refused(f"No target is called {part.table}.", needed=f"One of {', '.join(scope.targets)}.")
        inside, params = ("true", []) if part.upper is None else self.source.inside(part.after, part.upper)
        which = f"{inside} AND {scope.ours('t')}"
        count = 0
        for table in tables:
            name = quoted(table)
            tx.raw(
                f"INSERT INTO limosa_change (migration, key) SELECT {literal(scope.id)}, {scope.key_json('t')}"
                f" FROM {name} AS t WHERE {which}",
                *params,
            )
            count += int(tx.raw(f"SELECT count(*) FROM {name} AS t WHERE {which}", *params)[0][0])
            tx.raw(f"DELETE FROM {name} AS t WHERE {which}", *params)
        return count

    def _moved(self, rows: Sequence[Row], tx: SqliteTx) -> set[int]:
        now = self.source.version(tx)
        if all(row.version == (now,) for row in rows):
            return set()
        found = self.source.raw_vectors([row.key for row in rows], tx)
        return {i for i, row in enumerate(rows) if found.get(row.key) != row.raw}

    def _delete(self, keys: Sequence[Key], tx: SqliteTx, *, leave: str) -> None:
        listed = self.scope.listed(keys)
        for table in self.scope.targets:
            if table != leave:
                key = quoted(self.scope.key.name)
                which = f"{key} IN (SELECT value FROM json_each(?)) AND {self.scope.ours(quoted(table))}"
                tx.raw(f"DELETE FROM {quoted(table)} WHERE {which}", listed)

    def _taken(self, keys: Sequence[Key], tx: SqliteTx) -> dict[Key, str]:
        """Keys under which a target holds a row that was not carried, with that target."""
        key = quoted(self.scope.key.name)
        found = " UNION ALL ".join(
            f"SELECT CAST(g.{key} AS TEXT), {literal(table)} FROM {quoted(table)} AS g"
            f" WHERE NOT ({self.scope.ours('g')}) AND g.{key} IN (SELECT key FROM sent)"
            for table in self.scope.targets
        )
        rows = tx.raw(f"WITH sent (key) AS (SELECT value FROM json_each(?)) {found}", self.scope.listed(keys))
        return {(str(name),): str(table) for name, table in rows}

    def _insert(
        self, table: str, places: list[int], rows: Sequence[Row], vectors: VectorRows, tx: SqliteTx
    ) -> tuple[list[int], list[tuple[int, str]]]:
        """All of them at once; where one is refused, halves, until the bad rows stand alone."""
        if not places:
            return [], []
        tx.raw("SAVEPOINT limosa_rows")
        try:
            self._insert_all(table, [(rows[i], vectors[i]) for i in places], tx)
        except RowRefused as error:
            tx.raw("ROLLBACK TO limosa_rows")
            tx.raw("RELEASE limosa_rows")
            if len(places) == 1:
                return [], [(places[0], error.what)]
            half = len(places) // 2
            parts = [self._insert(table, part, rows, vectors, tx) for part in (places[:half], places[half:])]
            return parts[0][0] + parts[1][0], parts[0][1] + parts[1][1]
        tx.raw("RELEASE limosa_rows")
        return places, []

    def _insert_all(self, table: str, sent: list[tuple[Row, Vectors]], tx: SqliteTx) -> None:
        scope = self.scope
        names = [column.name for column in scope.carried]
        columns = ", ".join(quoted(name) for name in (*names, scope.split.vector, HAD_VECTOR))
        renewed = ", ".join(
            f"{quoted(name)} = excluded.{quoted(name)}"
            for name in (*names, scope.split.vector, HAD_VECTOR)
            if name != scope.key.name
        )
        blobs = [f"CASE typeof(s.{quoted(name)}) WHEN 'blob' THEN s.{quoted(name)} END" for name in scope.split.vectors]
        # Where the source holds the blob, the database copies it itself.
        vector = f"coalesce(v.column2, {', '.join(blobs)})"
        head = (
            f"INSERT INTO {quoted(table)} ({columns})"
            f" SELECT {', '.join(f's.{quoted(name)}' for name in names)}, {vector}, {had_vector(scope, 's')} FROM ("
        )
        tail = (
            f") AS v CROSS JOIN {quoted(self.source.table)} AS s ON s.{quoted(scope.key.name)} = v.column1 WHERE true"
            f" ON CONFLICT ({quoted(scope.key.name)}) DO UPDATE SET {renewed} WHERE {scope.ours(quoted(table))}"
        )
        # One by one: all blobs of a batch beside its vectors would be most of the memory.
        keys = scope.values(row.key for row, _ in sent)
        values: Iterator[tuple[Value, ...]] = (
            (key, None if "blob" in row.raw[1::2] else vector.tobytes())
            for key, (row, vector) in zip(keys, sent, strict=True)
        )
        tx.connection.insert(head, "(?, ?)", tail, values)


def had_vector(scope: Scope, alias: str) -> str:
    """Whether the source itself held the blob in the column that the targets name likewise."""
    stands = any(column.name == scope.split.vector for column in scope.columns)
    return f"{alias}.{quoted(scope.split.vector)} IS NOT NULL" if stands else "0"
