"""What Postgres says of the vectors of one column: counts, index use, neighbours, the match function's answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from limosa.errors import Refused
from limosa.model.batch import Key, Vectors
from limosa.ports.evidence import IndexUse, Matched, Measured, Norms
from limosa.ports.search import Neighbour, OldOrNew
from limosa.ports.tx import Tx
from limosa.stores.postgres.application import index_names
from limosa.stores.postgres.asked import Asked
from limosa.stores.postgres.by_hand import by_hand
from limosa.stores.postgres.codec import text_of_vector
from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.indexes import index_relation, operator_class
from limosa.stores.postgres.match import MatchFunction
from limosa.stores.postgres.measuring import measured_in, norms_in
from limosa.stores.postgres.names import Relation
from limosa.stores.postgres.partitions import parts_of_index
from limosa.stores.postgres.search import BY_INDEX, EXACT, ColumnSearch, neighbours, settings

__all__ = ["ColumnEvidence"]

_SETTINGS = {"hnsw": ("hnsw.ef_search", "40"), "ivfflat": ("ivfflat.probes", "1")}
"""What decides how far an index searches, and its default. Source: pgvector 0.8 README, "Query Options"."""

_INDEXES = """SELECT c.relname, m.amname, i.indisvalid
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_am AS m ON m.oid = c.relam
JOIN pg_opclass AS o ON o.oid = i.indclass[0]
JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
WHERE i.indrelid = to_regclass($1) AND a.attname = $2 AND m.amname IN ('hnsw', 'ivfflat')
ORDER BY c.relname = $3 DESC, o.opcname = $4 DESC, i.indisvalid DESC, c.relname"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnEvidence:
    """Looks at one column of the place of a scope.

    Attributes:
        function: the match function of the file; None where it names none.
    """

    search: ColumnSearch
    side: OldOrNew
    function: MatchFunction | None

    def measure(self, after: Key | None, upper: Key | None, tx: Tx) -> Measured:
        """The vectors of rows in (after, upper]; a None edge is no edge. Reads every vector of the range."""
        assert isinstance(tx, PostgresTx)  # noqa: S101 - the ports promise that begin and measure belong together
        return measured_in(self.search, after, upper, tx)

    def index(self) -> IndexUse | None:
        """The approximate index on the column, limosa's own before others; None where none stands."""
        search = self.search
        with search.database.begin(snapshot=True) as tx:
            found = tx.raw(
                _INDEXES,
                search.column.seat.relation.sql,
                search.column.seat.column,
                index_relation(search.scope).name,
                operator_class(search.column.base, search.metric),
            )
            if not found:
                return None
            name, kind, valid = found[0]
            setting, default = _SETTINGS[kind]
            value = tx.raw("SELECT coalesce(nullif(current_setting($1, true), ''), $2)", setting, default)[0][0]
            used = self._used(tx, name)
        return IndexUse(name=name, kind=kind, valid=valid, used=used, setting=f"{setting} = {value}")

    def compare(self, vector: Vectors, k: int) -> tuple[list[Neighbour], list[Neighbour]]:
        """At most k neighbours through the index, and by comparing every row, in one snapshot."""
        with self.search.database.begin(snapshot=True) as tx:
            with settings(tx, BY_INDEX):
                near = self.search.nearest_in(tx, vector, k)
            with settings(tx, EXACT):
                return near, self.search.nearest_in(tx, vector, k)

    def match(self, vector: Vectors, k: int, *, named: bool) -> Matched:
        """What the match function answers without a threshold, and direct searches of the whole column.

        Raises:
            Refused: the function is not there, or refuses to answer.
        """
        if self.function is None:
            raise Refused("The file names no match function.")
        with self.search.database.begin(snapshot=True) as tx:
            asked, query = replace(self._asked, named=named), np.asarray(vector)
            answered, exact = asked.both(tx, query, k)
            return Matched(answered=answered, exact=exact, by_index=asked.direct(tx, query, k, BY_INDEX))

    def norms(self) -> Norms:
        """The L2 norms of the vectors of the filter; of a sample where there are more than 200,000."""
        with self.search.database.begin(snapshot=True) as tx:
            return norms_in(self.search, tx)

    def by_hand(self) -> Mapping[str, str]:
        """Name of a proof to the SQL that repeats it."""
        return by_hand(self.search, self._asked)

    @property
    def _asked(self) -> Asked:
        return Asked(search=self.search, side=self.side, function=self.function)

    def _used(self, tx: PostgresTx, name: str) -> Literal["planned", "forced", "never"]:
        # A plan names the indexes of partitions, not the table's: each of them must serve, and in a plan of the
        # planner's own one is enough, as it rightly reads the whole of a small partition.
        schema = self.search.column.seat.relation.schema
        names = parts_of_index(tx, Relation(schema, name).sql) or {name}
        planned = self._planned(tx)
        if names <= planned:
            return "planned"
        with settings(tx, BY_INDEX):
            if not names <= self._planned(tx):
                return "never"
        return "planned" if names & planned else "forced"

    def _planned(self, tx: PostgresTx) -> set[str]:
        """The indexes that the plan of a nearest-neighbour query names."""
        search = self.search
        probe = np.zeros(search.column.dimensions, dtype=np.float32)
        probe[0] = 1.0
        sql = neighbours(search.scope, search.column, search.metric, k=10)
        return index_names(tx.raw(f"EXPLAIN (FORMAT JSON) {sql}", text_of_vector(probe), prepare=False)[0][0])
