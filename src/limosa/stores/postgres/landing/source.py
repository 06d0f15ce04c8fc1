"""A table of the application's as a collection: its rows are told as points, and taken back as rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from psycopg import errors as pg

from limosa.errors import Refused
from limosa.model.batch import Key, Vectors
from limosa.model.ids import common_kind
from limosa.model.migration import Form
from limosa.model.point import Collected, Holds, IdKind, Json, Metric, Point, Scalar, VectorKind, VectorSpec
from limosa.stores.postgres.codec import text_of_vector
from limosa.stores.postgres.database import Database, PostgresTx
from limosa.stores.postgres.landing.columns import Arrived, Field, parted
from limosa.stores.postgres.landing.reading import WHOLE, PointReader
from limosa.stores.postgres.landing.rows import packed
from limosa.stores.postgres.landing.site import arrived_of
from limosa.stores.postgres.landing.standing import OF_COLUMN
from limosa.stores.postgres.landing.vectors import TYPES
from limosa.stores.postgres.names import Relation, parse_relation, quoted

__all__ = ["TableCollection", "open_table"]

BYTEWISE_ROWS = 100_000
"""Where no index has text keys by their bytes, every page is sorted anew: up to so many rows that is bearable."""

HOLDS = Holds(
    ids=frozenset({"uint63", "uint64", "uuid", "mixed", "text"}),
    kinds=frozenset({"dense", "sparse", "multi"}),
    metrics=frozenset({"cosine", "l2", "ip", "l1"}),
    several=True,
    bare=True,
    dimensions=16_000,
)
"""Source: pgvector's documentation, "Reference" (read 2026-11)."""

_METRICS: dict[str, Metric] = {"cosine": "cosine", "l2": "l2", "ip": "ip", "l1": "l1"}

Graph = tuple[Metric, dict[str, int]]
"""An index on a vector: its metric, and its options by name."""

_KINDS = {
    "boolean": "bool",
    "smallint": "integer",
    "integer": "integer",
    "bigint": "integer",
    "real": "float",
    "double precision": "float",
    "uuid": "uuid",
    "timestamp with time zone": "datetime",
}
"""What vector stores call an index on such a column; on every other one, ``keyword``."""


@dataclass
class TableCollection:
    """The rows of one table; threads may share it."""

    database: Database
    name: str
    form: Form
    holds: Holds = HOLDS

    @property
    def title(self) -> str:
        """Names it for a person and for the ledger."""
        return f"{self.database.title}/{self.name}"

    @cached_property
    def relation(self) -> Relation:
        """Its name with its schema.

        Raises:
            Refused: it is not there.
        """
        schema, name = parse_relation(self.name)
        with self.database.autocommit() as tx:
            found = tx.raw(
                "SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = to_regclass($1)", self._sql
            )
            if not found:
                raise Refused(f"There is no table {self.name}.", needed="The table that is named in the file.")
            return Relation(schema or _bare(found[0][0]), name)

    @property
    def _sql(self) -> str:
        schema, name = parse_relation(self.name)
        return f"{quoted(schema)}.{quoted(name)}" if schema is not None else quoted(name)

    @cached_property
    def reader(self) -> PointReader:
        """What reads its rows, once it stands.

        Raises:
            Refused: it is not there, or is without a column that is named.
        """
        with self.database.autocommit() as tx:
            arrived = arrived_of(self.relation, self.form, tx)
            found = tx.raw(
                "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'vector'",
            )
        return PointReader(self.database, self.relation, arrived, _bare(found[0][0]) if found else "public")

    @property
    def arrived(self) -> Arrived:
        """Its columns by their parts."""
        return self.reader.arrived

    def describe(self) -> Collected:
        """What the catalogue says of it."""
        with self.database.autocommit() as tx:
            rows = int(tx.raw(f"SELECT count(*) FROM {self.relation.sql}")[0][0])
            ids = self._ids(tx, rows)
            graphs = dict(_graphs(self.relation, tx))
            indexed = {name for (name,) in tx.raw(_INDEXED, self.relation.sql)}
        fields = self.arrived.of("field")
        return Collected(
            points=rows,
            ids=ids,
            vectors={each.source: _spec(each, graphs.get(each.name)) for each in self.arrived.of("vector")},
            indexed={each.source: _KINDS.get(each.type, "keyword") for each in fields if each.name in indexed},
            fields={each.source: each.type for each in fields} if self.form.rest is None else {},
        )

    def _ids(self, tx: PostgresTx, rows: int) -> IdKind:
        kind, key = self.arrived.key.type, quoted(self.arrived.key.name)
        if tx.raw(f"SELECT EXISTS (SELECT FROM {self.relation.sql} WHERE {key} IS NULL)")[0][0]:
            raise Refused(f"There are rows in {self.relation} without a key.", needed="A key in every row.")
        if kind in WHOLE:
            return (
                "text" if tx.raw(f"SELECT coalesce(min({key}) < 0, false) FROM {self.relation.sql}")[0][0] else "uint63"
            )
        if (
            kind != "uuid"
            and rows > BYTEWISE_ROWS
            and not tx.raw(_BYTEWISE, self.relation.sql, self.arrived.key.name)[0][0]
        ):
            raise Refused(
                f"{self.relation} is read in the order of {self.arrived.key.name}, and no index has it by its bytes.",
                needed=f"Such an index, as there are more than {BYTEWISE_ROWS:,} rows.",
                do=f'CREATE UNIQUE INDEX CONCURRENTLY ON {self.relation.sql} ({key} COLLATE "C");',
            )
        if kind == "uuid":
            return "uuid"
        found = {name for (name,) in tx.raw(_KINDS_OF_TEXTS.format(key=key, table=self.relation.sql))}
        return common_kind(found)

    def last(self) -> Key | None:
        """The last key there is now."""
        return self.reader.last()

    def order(self, key: Key) -> tuple[int, ...]:
        """A value by which keys are in the table's order."""
        return self.reader.order(key)

    def read(self, after: Key | None, limit: int, *, bare: bool = False) -> list[Point]:
        """The points behind a key, in order."""
        return self.reader.read(after, limit, bare=bare)

    def fetch(self, keys: Sequence[Key], *, bare: bool = False) -> list[Point]:
        """These points."""
        return self.reader.fetch(keys, bare=bare)

    def nearest(
        self, name: str, vector: Vectors, k: int, *, where: Mapping[str, Scalar] | None = None
    ) -> list[tuple[Key, float]]:
        """At most k keys and similarities, best first."""
        with self.database.autocommit() as tx:
            graphs = dict(_graphs(self.relation, tx))
        column = self.arrived.vector(name)
        return self.reader.nearest(name, vector, k, metric=_spec(column, graphs.get(column.name)).metric, where=where)

    def stands(self) -> bool:
        """Whether the table is there."""
        with self.database.autocommit() as tx:
            return bool(tx.raw("SELECT to_regclass($1) IS NOT NULL", self._sql)[0][0])

    def make(self, wanted: Collected) -> None:
        """Refused: a table is made where points land, with the columns that the file names."""
        raise Refused(f"The table {self.name} is not made this way.", needed="table in [target].")

    def drop(self) -> None:
        """Refused: the application's own table is the application's to drop."""
        raise Refused(f"The table {self.name} is the application's.", do="Drop it yourself.")

    def write(self, points: Sequence[Point]) -> list[tuple[int, str]]:
        """Puts points in the place of the rows under their keys, column by column; others of the row stay."""
        rejected: list[tuple[int, str]] = []
        with self.database.begin() as tx:
            for place, point in enumerate(points):
                why = self._put(point, tx)
                if why:
                    rejected.append((place, why))
        return rejected

    def _put(self, point: Point, tx: PostgresTx) -> str:
        """Writes one point; why it was not taken, else empty."""
        told = [each.source for each in self.arrived.of("field") if each.cell.pack is None]
        exact = Arrived(
            tuple(each for each in self.arrived.fields if each.part != "field" or each.cell.pack is not None)
        )
        # What limosa knows no bytes for, the server reads from its text, or refuses.
        unfit = packed([replace(point, payload=parted(point.payload, told)[1])], exact).unfit
        if unfit:
            return unfit[0]
        names = [each.name for each in self.arrived.fields]
        values = list(self._values(point))
        cells = ", ".join(f"${i}::text::{each.type}" for i, each in enumerate(self.arrived.fields, 1))
        changed = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in names[1:])
        sql = (
            f"INSERT INTO {self.relation.sql} ({', '.join(map(quoted, names))}) VALUES ({cells})"
            f" ON CONFLICT ({quoted(names[0])}) DO UPDATE SET {changed}"
        )
        tx.raw("SAVEPOINT limosa_point")
        try:
            tx.raw(sql, *values)
        except (pg.DataError, pg.IntegrityError) as error:
            tx.raw("ROLLBACK TO SAVEPOINT limosa_point")
            return f"Postgres says: {(error.diag.message_primary or type(error).__name__)}"
        return ""

    def _values(self, point: Point) -> Iterator[str | None]:
        """Each column's value as Postgres reads it from a text."""
        fields = self.arrived.of("field")
        values, rest = parted(point.payload, [each.source for each in fields])
        yield point.key[0]
        for each, value in zip(fields, values, strict=True):
            yield _literal(each, value)
        for each in self.arrived.of("rest"):
            yield _literal(each, rest)
        for each in self.arrived.of("vector"):
            vector = point.vectors.get(each.source)
            yield None if vector is None else _vector_text(vector)

    def erase(self, keys: Sequence[Key]) -> None:
        """Deletes rows."""
        fitting = self.reader.fitting(keys)
        if fitting:
            key = self.arrived.key
            sql = f"DELETE FROM {self.relation.sql} AS t USING unnest($1::text[]) AS s(k) WHERE t.{quoted(key.name)}"
            with self.database.begin() as tx:
                tx.raw(f"{sql} = s.k::{key.type}", fitting)

    def close(self) -> None:
        """Gives every connection back; safe to call again."""
        self.database.close()


_KINDS_OF_TEXTS = (
    "SELECT DISTINCT CASE WHEN {key} ~ '^(0|[1-9][0-9]{{0,19}})$' THEN CASE WHEN {key}::numeric < 9223372036854775808"
    " THEN 'uint63' WHEN {key}::numeric < 18446744073709551616 THEN 'uint64' ELSE 'text' END"
    " WHEN {key} ~ '^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}$' THEN 'uuid' ELSE 'text' END FROM {table}"
)
_INDEXED = (
    "SELECT a.attname FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]"
    " WHERE i.indrelid = to_regclass($1) AND NOT i.indisprimary AND i.indnkeyatts = 1"
)
_BYTEWISE = (
    "SELECT EXISTS (SELECT FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid"
    " AND a.attnum = i.indkey[0] JOIN pg_collation AS c ON c.oid = i.indcollation[0]"
    " WHERE i.indrelid = to_regclass($1) AND a.attname = $2 AND i.indisvalid AND (c.collname IN ('C', 'POSIX')"
    " OR c.collname = 'default' AND (SELECT datcollate IN ('C', 'POSIX') AND datlocprovider = 'c' FROM pg_database"
    " WHERE datname = current_database())))"
)
_GRAPHS = (
    "SELECT a.attname, o.opcname, coalesce(c.reloptions, '{}') FROM pg_index AS i JOIN pg_class AS c"
    " ON c.oid = i.indexrelid JOIN pg_am AS m ON m.oid = c.relam JOIN pg_opclass AS o ON o.oid = i.indclass[0]"
    f" JOIN pg_attribute AS a ON {OF_COLUMN} AND (i.indkey[0] <> 0 OR o.opcname LIKE 'halfvec%')"
    " WHERE i.indrelid = to_regclass($1) AND m.amname IN ('hnsw', 'ivfflat')"
)


def _graphs(relation: Relation, tx: PostgresTx) -> Iterator[tuple[str, Graph]]:
    for column, operators, options in tx.raw(_GRAPHS, relation.sql):
        metric: Metric = next((each for name, each in _METRICS.items() if f"_{name}_" in operators), "cosine")
        yield str(column), (metric, {name: int(value) for name, _, value in (each.partition("=") for each in options)})


def _spec(each: Field, graph: Graph | None) -> VectorSpec:
    kind: VectorKind = next(kind for kind, type_ in TYPES.items() if type_ == each.type)
    metric, options = graph or ("cosine", {})
    return VectorSpec(
        name=each.source,
        kind=kind,
        dimensions=each.dimensions,
        metric=metric,
        m=options.get("m"),
        ef_construction=options.get("ef_construction"),
    )


def _bare(name: Any) -> str:
    """A schema's name without the quotes that the catalogue puts around it."""
    text = str(name)
    return text[1:-1].replace('""', '"') if text.startswith('"') else text


def _literal(each: Field, value: Json) -> str | None:
    if value is None:
        return None
    if each.type in {"json", "jsonb"}:
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        quotes = (str(item).replace("\\", "\\\\").replace('"', '\\"') for item in value)
        return "{" + ",".join(f'"{item}"' for item in quotes) + "}"
    return (
        ("true" if value else "false")
        if isinstance(value, bool)
        else repr(value)
        if isinstance(value, float)
        else str(value)
    )


def _vector_text(vector: Any) -> str:
    if hasattr(vector, "positions"):
        pairs = zip(vector.positions.tolist(), vector.values.tolist(), strict=True)
        return "{" + ",".join(f"{position + 1}:{value!r}" for position, value in pairs) + "}/1000000000"
    if vector.ndim == 2:
        return "{" + ",".join(f'"{text_of_vector(each)}"' for each in vector) + "}"
    return text_of_vector(vector)


def open_table(url: str, name: str, form: Form) -> TableCollection:
    """The table of this name at this URL; connects when it is first asked."""
    return TableCollection(Database(url), name, form)
