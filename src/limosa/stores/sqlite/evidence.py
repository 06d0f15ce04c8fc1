"""What SQLite says of rows that were carried: each held against its source, table by table, index by index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from limosa.model.batch import Key, Row, Vectors
from limosa.ports.carried import BuiltIndex, Compared, Nearest, Routed
from limosa.stores.sqlite.classes import pending
from limosa.stores.sqlite.database import Database, SqliteTx
from limosa.stores.sqlite.names import literal, quoted
from limosa.stores.sqlite.rows import RowSource
from limosa.stores.sqlite.scope import Scope
from limosa.stores.sqlite.search import nearest
from limosa.stores.sqlite.writer import had_vector

__all__ = ["CarriedRows"]


@dataclass(frozen=True, slots=True)
class CarriedRows:
    """The targets of one split, seen beside the source of one epoch."""

    database: Database
    scope: Scope
    source: RowSource
    switched: bool

    def compared(self, limit: int) -> Iterator[Compared]:
        """All source rows in key order; every vector is decoded again and compared bit by bit."""
        return _walked(lambda after: self._compare(after, limit))

    def _compare(self, after: Key | None, limit: int) -> tuple[Compared, Key | None]:
        with self.database.begin(snapshot=True) as tx:
            rows = self.source.page(after, limit, tx)
            sent = self.scope.listed(row.key for row in rows)
            waiting, excepted = self._waiting(sent, tx), self._excepted(sent, tx)
            found, strange = self._stored(sent, tx), self._payloads(sent, tx)
        counts: dict[str, Any] = dict.fromkeys(("waiting", "excepted", "equal", "vectors", "payloads", "missing"), 0)
        examples: list[Key] = []
        for row in rows:
            kind = _kind(row, waiting, excepted, found, strange)
            counts[kind] += 1
            if kind in {"vectors", "payloads", "missing"}:
                examples.append(row.key)
        last = rows[-1].key if len(rows) == limit else None
        return Compared(rows=len(rows), **counts, examples=tuple(examples[:3])), last

    def nearest(self, vector: Vectors, k: int, *, exact: bool = False) -> Nearest:
        """At most k rows of the table for the vector's length, nearest first."""
        return nearest(self.database, self.scope, vector, k, exact=exact)

    def viewed(self, limit: int) -> Iterator[Compared] | None:
        """All rows of the old table; each column must be answered alike by the view, type and bytes."""
        return _walked(lambda after: self._view(after, limit)) if self.switched else None

    def _view(self, after: Key | None, limit: int) -> tuple[Compared, Key | None]:
        scope = self.scope
        key = quoted(scope.key.name)
        names = [column.name for column in scope.columns]
        same = " AND ".join(
            f"v.{quoted(n)} IS o.{quoted(n)} AND typeof(v.{quoted(n)}) = typeof(o.{quoted(n)})" for n in names
        )
        with self.database.begin(snapshot=True) as tx:
            inside, params = self.source.beyond(after)
            rows = tx.raw(
                f"SELECT CAST(o.{key} AS TEXT), count(v.{key}), total({same}) FROM"
                f" (SELECT * FROM {quoted(scope.old)} AS t WHERE {inside} ORDER BY t.{key} LIMIT {int(limit)}) AS o"
                f" LEFT JOIN {quoted(scope.table)} AS v ON v.{key} = o.{key} GROUP BY o.{key} ORDER BY o.{key}",
                *params,
            )
        wrong = [(str(name),) for name, answers, equal in rows if (answers, equal) != (1, 1.0)]
        last = (str(rows[-1][0]),) if len(rows) == limit else None
        equal = len(rows) - len(wrong)
        return Compared(rows=len(rows), equal=equal, payloads=len(wrong), examples=tuple(wrong[:3])), last

    def beside(self, queries: int, k: int) -> None:
        """None: the old table and the new ones are searched by one and the same way."""
        return

    def routed(self) -> Routed:
        """The target tables, in one snapshot."""
        scope = self.scope
        key, vector = quoted(scope.key.name), quoted(scope.split.vector)
        tables: dict[str, int] = {}
        models: dict[str, dict[str, int]] = {}
        twice: list[Key] = []
        astray: list[Key] = []
        strangers: list[Key] = []
        empty = 0
        known, ours = ", ".join(str(4 * d) for d in scope.split.dimensions), scope.ours("t")
        with self.database.begin(snapshot=True) as tx:
            for position, (table, d) in enumerate(scope.split.targets):
                name = quoted(table)
                counted = f"SELECT count(*), count(*) - count({vector}) FROM {name} AS t WHERE {ours}"
                total, hollow = tx.raw(counted)[0]
                tables[table], empty = int(total), empty + int(hollow)
                models[table] = self._models(table, tx)
                wrong = f"length(t.{vector}) <> {4 * d}" if d is not None else f"length(t.{vector}) IN ({known})"
                astray += _keys(tx, f"SELECT CAST(t.{key} AS TEXT) FROM {name} AS t WHERE {ours} AND {wrong} LIMIT 3")
                for other in scope.targets[position + 1 :]:
                    both = f"{name} AS t JOIN {quoted(other)} AS g ON g.{key} = t.{key} AND {ours}"
                    twice += _keys(tx, f"SELECT CAST(t.{key} AS TEXT) FROM {both} LIMIT 3")
                strangers += _keys(
                    tx,
                    f"SELECT CAST(t.{key} AS TEXT) FROM {name} AS t WHERE {ours} AND NOT EXISTS"
                    f" (SELECT 1 FROM {quoted(self.source.table)} AS s WHERE s.{key} = t.{key}) AND NOT EXISTS"
                    f" (SELECT 1 FROM limosa_change AS c WHERE c.migration = {literal(scope.id)}"
                    f" AND c.key = {scope.key_json('t')}) LIMIT 3",
                )
        return Routed(tables=tables, models=models, twice=twice, astray=astray, strangers=strangers, empty=empty)

    def indexes(self) -> list[BuiltIndex]:
        """Every index that was asked for; a vector index is held against the vectors of its table."""
        scope = self.scope
        found: list[BuiltIndex] = []
        with self.database.begin(snapshot=True) as tx:
            names = {str(name) for (name,) in tx.raw("SELECT name FROM sqlite_master")}
            for table, d in scope.split.targets:
                for columns in scope.split.indexes:
                    name = f"{table}_{'_'.join(columns)}"
                    found.append(BuiltIndex(name, name in names))
                if scope.native and scope.split.index is not None and d is not None:
                    found.append(self._vector_index(table, names, tx))
        return found

    def _vector_index(self, table: str, names: set[str], tx: SqliteTx) -> BuiltIndex:
        vector = self.scope.split.vector
        name = f"{table}_{vector}"
        wanted = int(tx.raw(f"SELECT count({quoted(vector)}) FROM {quoted(table)}")[0][0])
        # libSQL keeps an index's graph in a table of its own; one that was built over nothing stays empty.
        shadow = f"{name}_shadow"
        holds = int(tx.raw(f"SELECT count(*) FROM {quoted(shadow)}")[0][0]) if shadow in names else 0
        return BuiltIndex(name, name in names, holds, wanted)

    def _models(self, table: str, tx: SqliteTx) -> dict[str, int]:
        model = self.scope.split.model
        if model is None or model not in {column.name for column in self.scope.carried}:
            return {}
        ours = self.scope.ours("t")
        rows = tx.raw(f"SELECT t.{quoted(model)}, count(*) FROM {quoted(table)} AS t WHERE {ours} GROUP BY 1")
        return {"" if name is None else str(name): int(count) for name, count in rows}

    def _waiting(self, sent: str, tx: SqliteTx) -> set[Key]:
        key = quoted(self.scope.key.name)
        return set(
            _keys(
                tx,
                f"SELECT CAST(t.{key} AS TEXT) FROM {quoted(self.source.table)} AS t"
                f" WHERE t.{key} IN (SELECT value FROM json_each(?)) AND {pending(self.scope, 't')}",
                sent,
            )
        )

    def _excepted(self, sent: str, tx: SqliteTx) -> set[Key]:
        key = quoted(self.scope.key.name)
        return set(
            _keys(
                tx,
                f"SELECT CAST(t.{key} AS TEXT) FROM {quoted(self.source.table)} AS t JOIN limosa_exception AS x"
                f" ON x.migration = {literal(self.scope.id)} AND x.key = {self.scope.key_json('t')}"
                f" WHERE t.{key} IN (SELECT value FROM json_each(?))",
                sent,
            )
        )

    def _stored(self, sent: str, tx: SqliteTx) -> dict[Key, list[tuple[str, bytes | None]]]:
        key, vector = quoted(self.scope.key.name), quoted(self.scope.split.vector)
        found: dict[Key, list[tuple[str, bytes | None]]] = {}
        for table in self.scope.targets:
            rows = tx.raw(
                f"SELECT CAST(t.{key} AS TEXT), CAST(t.{vector} AS BLOB) FROM {quoted(table)} AS t"
                f" WHERE t.{key} IN (SELECT value FROM json_each(?)) AND {self.scope.ours('t')}",
                sent,
            )
            for name, blob in rows:
                found.setdefault((str(name),), []).append((table, blob))
        return found

    def _payloads(self, sent: str, tx: SqliteTx) -> set[Key]:
        """Rows whose carried columns differ from the source's, in value or in type."""
        scope = self.scope
        key = quoted(scope.key.name)
        names = [quoted(column.name) for column in scope.carried]
        differs = " OR ".join(f"g.{n} IS NOT s.{n} OR typeof(g.{n}) <> typeof(s.{n})" for n in names)
        differs += f" OR g.had_vector IS NOT ({had_vector(scope, 's')})"
        found: set[Key] = set()
        for table in scope.targets:
            found.update(
                _keys(
                    tx,
                    f"SELECT CAST(g.{key} AS TEXT) FROM {quoted(table)} AS g JOIN {quoted(self.source.table)} AS s"
                    f" ON s.{key} = g.{key} WHERE g.{key} IN (SELECT value FROM json_each(?))"
                    f" AND {scope.ours('g')} AND ({differs})",
                    sent,
                )
            )
        return found


def _kind(
    row: Row,
    waiting: set[Key],
    excepted: set[Key],
    found: dict[Key, list[tuple[str, bytes | None]]],
    strange: set[Key],
) -> str:
    if row.key in waiting:
        return "waiting"
    if row.key in excepted:
        return "excepted"
    stored = found.get(row.key, [])
    if not stored:
        return "missing"
    if row.vector is None or [blob for _, blob in stored] != [row.vector.tobytes()]:
        return "vectors"
    return "payloads" if row.key in strange else "equal"


def _keys(tx: SqliteTx, sql: str, *params: str) -> list[Key]:
    return [(str(name),) for (name,) in tx.raw(sql, *params)]


def _walked(page: Callable[[Key | None], tuple[Compared, Key | None]]) -> Iterator[Compared]:
    """Page after page, to the end of the table."""
    after: Key | None = None
    while True:
        found, after = page(after)
        yield found
        if after is None:
            return
