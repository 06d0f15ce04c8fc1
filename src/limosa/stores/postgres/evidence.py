"""What Postgres says of the vectors of one column: counts, index use, neighbours, the match function's answers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from limosa.errors import Refused
from limosa.model.batch import Key, Vectors
from limosa.ports.evidence import Answered, IndexUse, Measured
from limosa.ports.search import Neighbour, OldOrNew
from limosa.ports.tx import Tx
from limosa.stores.postgres.codec import text_of_vector
from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.indexes import index_relation, operator_class
from limosa.stores.postgres.match import MatchFunction
from limosa.stores.postgres.names import Relation, literal, quoted
from limosa.stores.postgres.search import BY_INDEX, EXACT, ColumnSearch, neighbours, settings, similarity

__all__ = ["ColumnEvidence"]

_NORMS = {"vector": "vector_norm", "halfvec": "l2_norm"}

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


_PARTS = """SELECT c.relname FROM pg_partition_tree(to_regclass($1)) AS p JOIN pg_class AS c ON c.oid = p.relid
WHERE p.isleaf AND p.level > 0"""


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
        scope, column = self.search.scope, self.search.column
        extension, span = quoted(scope.extension_schema), scope.span(after, upper)
        vector = column.seat.value
        ids = literal(scope.id)
        sql = f"""WITH limosa_changed AS (SELECT DISTINCT key FROM limosa.change WHERE migration = {ids}),
        limosa_measured AS (
            SELECT {scope.key_array("t")} AS key, coalesce({scope.where()}, false) AS kept,
                x.key IS NOT NULL AND g.key IS NULL AS excepted,
                {extension}.vector_dims({vector}) <> {column.dimensions} AS wrong_size,
                {extension}.{_NORMS[column.base]}({vector}) AS norm
            FROM {scope.relation.sql} AS t{column.seat.joined("JOIN", span.inside)}
            LEFT JOIN limosa_changed AS g ON g.key = {scope.key_array("t")}
            LEFT JOIN limosa.exception AS x ON x.migration = {ids} AND x.key = {scope.key_array("t")}
            WHERE {vector} IS NOT NULL AND {span.inside("t")}),
        limosa_judged AS (
            SELECT *, norm = 0 AS zero, norm IN ('NaN', 'Infinity') AS not_finite FROM limosa_measured)
        SELECT count(*), count(*) FILTER (WHERE NOT kept), count(*) FILTER (WHERE excepted),
            count(*) FILTER (WHERE wrong_size), count(*) FILTER (WHERE not_finite AND NOT wrong_size),
            count(*) FILTER (WHERE zero AND NOT wrong_size),
            (array_agg(key) FILTER (WHERE wrong_size OR not_finite OR zero))[1:3]
        FROM limosa_judged"""
        *counts, examples = tx.raw(sql, *span.params)[0]
        names = ("vectors", "outside", "excepted", "wrong_size", "not_finite", "zero")
        found = {name: int(count) for name, count in zip(names, counts, strict=True)}
        return Measured(**found, examples=tuple(tuple(key) for key in examples or ()))

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

    def match(self, vector: Vectors, k: int, *, named: bool) -> tuple[Answered, Answered]:
        """What the match function answers without a threshold, and a direct search of the whole column.

        Raises:
            Refused: the function is not there, or refuses to answer.
        """
        function = self.function
        if function is None:
            raise Refused("The file names no match function.")
        scope, column = self.search.scope, self.search.column
        query = text_of_vector(np.asarray(vector))
        extension = quoted(scope.extension_schema)
        extra = ", '{}'::jsonb" if function.match.filter else ""
        extra += f", {literal(self.side)}" if named else ""
        called = ", ".join(f"f.{quoted(each.name)}::text" for each in function.returns)
        listed = ", ".join(f"t.{quoted(each.name)}::text" for each in function.returns)
        kept = f"t.{quoted(function.match.filter)} @> '{{}}'" if function.match.filter else "true"
        with self.search.database.begin(snapshot=True) as tx:
            answered = tx.raw(
                f"SELECT {called}, f.similarity FROM {function.relation.sql}"
                f"($1::{extension}.vector, '-Infinity', {int(k)}{extra}) AS f",
                query,
                prepare=False,
            )
            with settings(tx, EXACT):
                sql = neighbours(scope, column, function.metric, k=k, where=kept, listed=listed)
                found = tx.raw(sql, query, prepare=False)
        direct = [(*row[:-1], similarity(float(row[-1]), function.metric)) for row in found]
        return _answered(answered), _answered(direct)

    def _used(self, tx: PostgresTx, name: str) -> Literal["planned", "forced", "never"]:
        # A plan names the indexes of partitions, not the table's: each of them must serve, and in a plan of the
        # planner's own one is enough, as it rightly reads the whole of a small partition.
        schema = self.search.column.seat.relation.schema
        names = {str(row[0]) for row in tx.raw(_PARTS, Relation(schema, name).sql)} or {name}
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
        return set(_names(tx.raw(f"EXPLAIN (FORMAT JSON) {sql}", text_of_vector(probe), prepare=False)[0][0]))


def _names(plan: Any) -> Iterator[str]:
    if isinstance(plan, list):
        for each in plan:
            yield from _names(each)
    elif isinstance(plan, dict):
        if "Index Name" in plan:
            yield plan["Index Name"]
        for each in plan.values():
            if isinstance(each, list | dict):
                yield from _names(each)


def _answered(rows: list[tuple[Any, ...]]) -> Answered:
    # A zero vector has no cosine: what stands beside it is not a number and compares with nothing.
    kept = [row for row in rows if row[-1] is not None and not math.isnan(row[-1])]
    return Answered(tuple(tuple(row[:-1]) for row in kept), tuple(float(row[-1]) for row in kept))
