"""Reading rows of a table in key order: keyset pagination, edges compared by the database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

from limosa.model.batch import Key, Row
from limosa.stores.sqlite.carry import vectors_of
from limosa.stores.sqlite.database import Database, SqliteTx
from limosa.stores.sqlite.engine import Value
from limosa.stores.sqlite.names import quoted
from limosa.stores.sqlite.scope import Scope

__all__ = ["RowSource"]

FETCH_ROWS = 100
"""Rows fetched and decoded at once until their size is known."""

FETCH_BYTES = 3_500_000
"""Bytes fetched and decoded at once afterwards: 50 rows of 3072 dimensions as JSON text, or 400 of 384."""


@dataclass(frozen=True, slots=True)
class RowSource:
    """Reads the source under the name that it has in one epoch."""

    database: Database
    scope: Scope
    table: str

    def top(self) -> Key | None:
        """The largest key now; None for an empty table."""
        key = quoted(self.scope.key.name)
        with self.database.begin(snapshot=True) as tx:
            found = tx.raw(f"SELECT CAST({key} AS TEXT) FROM {quoted(self.table)} ORDER BY {key} DESC LIMIT 1")
        return (str(found[0][0]),) if found else None

    def count(self) -> int:
        """How many rows satisfy the filter now."""
        with self.database.begin(snapshot=True) as tx:
            found = tx.raw(f"SELECT count(*) FROM {quoted(self.table)} AS t WHERE {self.scope.filter('t', self.table)}")
        return int(found[0][0])

    def cut(self, after: Key | None, top: Key, *, rows: int) -> Key | None:
        """The edge that lies ``rows`` keys after ``after``, at most ``top``; None when fewer are left."""
        key = quoted(self.scope.key.name)
        inside, params = self.inside(after, top)
        with self.database.begin(snapshot=True) as tx:
            found = tx.raw(
                f"SELECT CAST(t.{key} AS TEXT) FROM {quoted(self.table)} AS t WHERE {inside}"
                f" ORDER BY t.{key} LIMIT 1 OFFSET {int(rows) - 1}",
                *params,
            )
        return (str(found[0][0]),) if found else None

    def read(self, after: Key | None, upper: Key, *, limit: int) -> list[Row]:
        """Rows of the filter in (after, upper], in key order, with their vectors."""
        # A snapshot for each fetch: a long one would keep the write-ahead log from beginning anew.
        with self.database.decoding:
            return self._paged(after, limit, partial(self.database.begin, snapshot=True), upper=upper)

    def page(self, after: Key | None, limit: int, tx: SqliteTx) -> list[Row]:
        """The next rows of the filter in key order, as this snapshot has them."""
        return self._paged(after, limit, lambda: nullcontext(tx))

    def _paged(
        self,
        after: Key | None,
        limit: int,
        begin: Callable[[], AbstractContextManager[SqliteTx]],
        *,
        upper: Key | None = None,
    ) -> list[Row]:
        """Texts are decoded a few hundred at a time: all texts of a batch would be most of the memory."""
        rows: list[Row] = []
        fetched = FETCH_ROWS
        order = f"ORDER BY t.{quoted(self.scope.key.name)} LIMIT"
        while len(rows) < limit:
            inside, params = self.beyond(after) if upper is None else self.inside(after, upper)
            wanted = min(fetched, limit - len(rows))
            with begin() as tx:
                version = self.version(tx)
                found = self._select(tx, f"{inside} AND {self.scope.filter('t', self.table)} {order} {wanted}", params)
            rows += _rows(found, version)
            if len(found) < wanted:
                break
            after = rows[-1].key
            size = sum(len(value) for values in found for value in values if isinstance(value, bytes)) / len(found)
            fetched = int(min(limit, max(1, FETCH_BYTES / max(size, 1))))
        return rows

    def beyond(self, after: Key | None) -> tuple[str, list[Value]]:
        """A condition on ``t``: the key lies after this one."""
        if after is None:
            return "true", []
        return f"t.{quoted(self.scope.key.name)} > ?", [self.scope.value(after)]

    def reread(self, keys: Sequence[Key]) -> list[Row]:
        """The rows of these keys that are in the filter now; missing ones are left out.

        They are marked as ``filled``: targets may hold what they were before.
        """
        with self.database.begin(snapshot=True) as tx:
            return self.reread_in(keys, tx)

    def reread_in(self, keys: Sequence[Key], tx: SqliteTx) -> list[Row]:
        """``reread`` in a transaction that is open already."""
        if not keys:
            return []
        version = self.version(tx)
        sent = self._sent()
        found = self._select(tx, sent, [self.scope.listed(keys)])
        return _rows(found, version, filled=True)

    def raw_vectors(self, keys: Sequence[Key], tx: SqliteTx) -> dict[Key, tuple[Any, ...]]:
        """What decides a row's vector, as it is now: to see whether a row is still the one that was read."""
        sent = self._sent()
        return {(str(values[0]),): _traces(values) for values in self._select(tx, sent, [self.scope.listed(keys)])}

    def _sent(self) -> str:
        kept = self.scope.filter("t", self.table)
        return f"t.{quoted(self.scope.key.name)} IN (SELECT value FROM json_each(?)) AND {kept}"

    def _select(self, tx: SqliteTx, condition: str, params: Sequence[Value]) -> list[tuple[Any, ...]]:
        split = self.scope.split
        vectors = ", ".join(f"typeof(t.{quoted(n)}), CAST(t.{quoted(n)} AS BLOB)" for n in split.vectors)
        dimension = f"t.{quoted(split.dimension)}" if split.dimension is not None else "NULL"
        return tx.raw(
            f"SELECT CAST(t.{quoted(self.scope.key.name)} AS TEXT), {dimension}, {vectors}"
            f" FROM {quoted(self.table)} AS t WHERE {condition}",
            *params,
        )

    def version(self, tx: SqliteTx) -> str:
        """A number that stands still for as long as nobody writes to the source."""
        # Ids of changes are never given twice: while this number stands, nobody wrote to the source.
        if not tx.raw("SELECT 1 FROM sqlite_master WHERE name = 'limosa_change'"):
            return ""
        found = tx.raw("SELECT seq FROM sqlite_sequence WHERE name = 'limosa_change'")
        return str(found[0][0]) if found else "0"

    def inside(self, after: Key | None, upper: Key) -> tuple[str, list[Value]]:
        """A condition on ``t``: the key lies in (after, upper]."""
        key = f"t.{quoted(self.scope.key.name)}"
        params: list[Value] = [self.scope.value(upper)]
        if after is None:
            return f"{key} <= ?", params
        return f"{key} <= ? AND {key} > ?", [*params, self.scope.value(after)]


def _rows(found: list[tuple[Any, ...]], version: str, *, filled: bool = False) -> list[Row]:
    parts = [(list(zip(values[2::2], values[3::2], strict=True)), values[1]) for values in found]
    return [
        Row((str(values[0]),), None, (version,), filled, vector, fault, _traces(values))
        for values, (vector, fault) in zip(found, vectors_of(parts), strict=True)
    ]


def _traces(values: tuple[Any, ...]) -> tuple[object, ...]:
    """What a row was read from, by its types and by this process's own 64-bit hashes instead of by its bytes."""
    return (values[1], *[hash(value) if isinstance(value, bytes) else value for value in values[2:]])
