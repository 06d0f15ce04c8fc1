"""The application's own query on one side of a Postgres table: its time, its way through the index, its roles."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from limosa.model.batch import Vectors
from limosa.model.checking import Role
from limosa.ports.application import AsRole, IndexScans, Standing
from limosa.stores.postgres.asked import Asked
from limosa.stores.postgres.codec import text_of_vector
from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.names import Relation, literal, quoted
from limosa.stores.postgres.partitions import parts_of_index
from limosa.stores.postgres.roles import ITERATIVE, acting_as, standings
from limosa.stores.postgres.search import BY_INDEX, EXACT, settings

__all__ = ["ColumnApplication", "index_names"]

_SCANS = (
    "SELECT pg_stat_get_xact_numscans({index}::regclass) + coalesce((SELECT sum(pg_stat_get_xact_numscans(p.relid))"
    " FROM pg_partition_tree({index}::regclass) AS p WHERE p.level > 0), 0)"
)
"""What this session alone has scanned and not yet told: no other session's searches are among them. Postgres's
documentation, "Viewing Statistics"."""


@dataclass(frozen=True, slots=True)
class ColumnApplication:
    """Asks one column of the place of a scope as the application does."""

    asked: Asked

    @property
    def title(self) -> str:
        """The match function of the file, or what is asked in its place, for a person."""
        return self.asked.title

    @property
    def function(self) -> bool:
        """The query goes through a match function."""
        return self.asked.function is not None

    def elapsed_ms(self, vectors: Sequence[Vectors], k: int) -> list[float]:
        """How long each query took in one session, in order, the way to the database and back included."""
        sql = self.asked.sql(k)
        found: list[float] = []
        with self.asked.search.database.begin(snapshot=True) as tx:
            for query in map(text_of_vector, vectors):
                started = time.perf_counter()
                tx.raw(sql, query, prepare=False)
                found.append(1000 * (time.perf_counter() - started))
        return found

    def scans(self, index: str, vectors: Sequence[Vectors], k: int) -> IndexScans:
        """How often the index was searched for these queries, as planned and where other ways are forbidden."""
        # A session keeps a function's plans: in a used one the first calls of a session were not to be seen any more.
        with self.asked.search.database.apart() as tx:
            nested = self._nested(tx, index, vectors[0], k)
            scans = self._counted(tx, index, vectors, k)
            with settings(tx, BY_INDEX):
                # A plan that a function has kept was made under other settings.
                tx.raw("DISCARD PLANS")
                forced = self._counted(tx, index, vectors, k)
        return IndexScans(calls=len(vectors), scans=scans, forced=forced, nested=nested)

    def roles(self, named: Sequence[Role]) -> list[Standing] | None:
        """The named roles, else those that may read the table; None where none is named and no policy binds."""
        with self.asked.search.database.begin(snapshot=True) as tx:
            return standings(tx, self.asked.search.scope.table_oid, named)

    def as_role(self, role: Role, vectors: Sequence[Vectors], k: int) -> AsRole:
        """What the role is answered, in a session of its own and a transaction that is rolled back."""
        with acting_as(self.asked.search.database, role) as tx:
            answers = tuple(self.asked.both(tx, vector, k) for vector in vectors)
            value = tx.raw("SELECT coalesce(nullif(current_setting($1, true), ''), 'off')", ITERATIVE)[0][0]
        return AsRole(answers=answers, setting=f"{ITERATIVE} = {value}")

    def by_hand(self, index: str | None, roles: Sequence[Role]) -> Mapping[str, str]:
        """The SQL that repeats the proofs ``latency``, ``index use`` and ``roles``."""
        asked = self.asked
        own = asked.sql(10, asked.stored)
        found = {"latency": f"EXPLAIN (ANALYZE, BUFFERS) {own};"}
        if index is not None:
            count = _SCANS.format(index=literal(self._index(index)))
            explained = f"EXPLAIN {asked.inner(10, asked.stored)};"
            found["index use"] = "\n".join([explained, "BEGIN;", f"{count};", f"{own};", f"{count};", "COMMIT;"])
        if roles:
            found["roles"] = "\n".join(line for role in roles for line in self._role_by_hand(role, own))
        return found

    def _role_by_hand(self, role: Role, own: str) -> Iterator[str]:
        # The stored vector is found before the role is taken, which may see none.
        yield "BEGIN;"
        yield f"CREATE TEMP TABLE limosa_query ON COMMIT DROP AS SELECT {self.asked.stored} AS vector;"
        yield f"GRANT SELECT ON limosa_query TO {quoted(role.name)};"
        yield "SET LOCAL row_security = on;"
        for name, value in role.settings:
            yield f"SELECT set_config({literal(name)}, {literal(value)}, true);"
        yield f"SET LOCAL ROLE {quoted(role.name)};"
        query = "(SELECT vector FROM limosa_query)"
        yield f"{self.asked.sql(10, query)};"
        yield from (f"SET LOCAL {name} = {literal(value)};" for name, value in EXACT.items())
        yield f"{self.asked.exact(10, query)};"
        yield "ROLLBACK;"

    def _nested(self, tx: PostgresTx, index: str, vector: Vectors, k: int) -> bool | None:
        """Whether the plan of the query, or of the function's body, names the index; None where it is not limosa's."""
        function = self.asked.function
        if function is not None and not tx.raw(function.own)[0][0]:
            return None
        sql = self.asked.inner(k, literal(text_of_vector(vector)))
        named = index_names(tx.raw(f"EXPLAIN (FORMAT JSON) {sql}", prepare=False)[0][0])
        # A plan names the indexes of partitions, not the table's.
        return not named.isdisjoint({index, *parts_of_index(tx, self._index(index))})

    def _counted(self, tx: PostgresTx, index: str, vectors: Sequence[Vectors], k: int) -> int:
        count, sql = _SCANS.format(index=literal(self._index(index))), self.asked.sql(k)
        before = tx.raw(count, prepare=False)[0][0]
        for vector in vectors:
            tx.raw(sql, text_of_vector(vector), prepare=False)
        return int(tx.raw(count, prepare=False)[0][0] or 0) - int(before or 0)

    def _index(self, name: str) -> str:
        # An index lies in the schema of its table.
        return Relation(self.asked.search.column.seat.relation.schema, name).sql


def index_names(plan: Any) -> set[str]:
    """The indexes that a plan names, at whatever depth; as EXPLAIN (FORMAT JSON) answers it."""
    found: set[str] = set()
    if isinstance(plan, list):
        for each in plan:
            found |= index_names(each)
    elif isinstance(plan, dict):
        if "Index Name" in plan:
            found.add(plan["Index Name"])
        for each in plan.values():
            found |= index_names(each)
    return found
