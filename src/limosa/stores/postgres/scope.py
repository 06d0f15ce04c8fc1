"""The scope of a migration in Postgres: names and SQL fragments that hold from plan to finish."""

from __future__ import annotations

from dataclasses import dataclass, replace

import psycopg
from psycopg import errors as pg

from limosa.errors import Refused
from limosa.model.batch import Key
from limosa.model.migration import Migration
from limosa.model.place import Text
from limosa.stores.postgres.catalogue import Column, Table
from limosa.stores.postgres.database import Database, PostgresTx
from limosa.stores.postgres.names import Relation, parse_relation, quoted, shortened
from limosa.stores.postgres.seat import Seat, seated
from limosa.stores.postgres.texts import text_columns, text_expression

__all__ = ["Filter", "Scope", "Span", "read_filter", "scope_of"]


@dataclass(frozen=True, slots=True)
class Filter:
    """The filter with its columns qualified by three aliases, as Postgres itself prints it."""

    t: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Span:
    """The keys in (after, upper]; a None edge is no edge."""

    scope: Scope
    after: Key | None
    upper: Key | None

    @property
    def params(self) -> tuple[list[str], ...]:
        """The edges, as the parameters $1 and on."""
        return tuple(list(edge) for edge in (self.after, self.upper) if edge is not None)

    def inside(self, alias: str) -> str:
        """The key columns of an alias lie in it."""
        keys, number, parts = self.scope.keys(alias), 0, []
        for edge, sign in ((self.after, ">"), (self.upper, "<=")):
            if edge is not None:
                number += 1
                parts.append(f"({keys}) {sign} ({self.scope.edge(f'${number}')})")
        return " AND ".join(parts) or "true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Names and fragments; all of them are composed, never pasted.

    Attributes:
        key: the key columns in order; their types are needed to compare edges.
        text_source: the table's columns of which a text is made, on either side.
        base: element type, ``vector`` or ``halfvec``; type: it with the extension's schema.
        beside, old_beside: the tables beside ``relation`` that have the vectors of the target and of the source space;
            None where ``relation`` itself has them.
        in_place: the column itself changes its type; from then on its old vectors are in a table of limosa's.
        partitioned: the rows are in its partitions, and a tuple id is one of several.
    """

    id: str
    shape: str
    relation: Relation
    table_oid: int
    key: tuple[Column, ...]
    text: Text
    text_source: tuple[Column, ...]
    filter: Filter | None
    vector: str
    base: str
    extension_schema: str
    old_dimensions: int
    new_dimensions: int
    beside: Relation | None = None
    old_beside: Relation | None = None
    in_place: bool = False
    partitioned: bool = False

    def new(self, epoch: int) -> Seat:
        """Where the target space stands in this epoch."""
        if self.shape == "fill":
            return self.old(epoch)
        if self.beside is not None:
            return replace(self._column(self.vector), relation=self.beside, alias="v")
        return self._column(self.vector if epoch % 2 or self.in_place else shortened(self.vector, "_limosa"))

    def old(self, epoch: int) -> Seat:
        """Where the source space stands in this epoch."""
        if self.old_beside is not None:
            return replace(self._column(self.vector), relation=self.old_beside, alias="o")
        if self.in_place:
            saved = Relation("limosa", f"saved_{self.id}")
            return replace(self._column(self.vector), relation=saved, alias="o")
        renamed = self.shape == "upgrade" and self.beside is None and epoch % 2
        return self._column(shortened(self.vector, "_limosa_old") if renamed else self.vector)

    def _column(self, name: str) -> Seat:
        return Seat(relation=self.relation, column=name, alias="t", key=tuple(column.name for column in self.key))

    @property
    def renames(self) -> bool:
        """The switch renames columns of the table."""
        return self.shape == "upgrade" and self.beside is None and not self.in_place

    @property
    def type(self) -> str:
        """The element type, qualified."""
        return f"{quoted(self.extension_schema)}.{quoted(self.base)}"

    @property
    def operators(self) -> str:
        """The extension's schema, quoted; distance operators are written ``OPERATOR(schema.<=>)``."""
        return quoted(self.extension_schema)

    def keys(self, alias: str) -> str:
        """The key columns, comma separated."""
        return ", ".join(f"{alias}.{quoted(column.name)}" for column in self.key)

    def key_texts(self, alias: str) -> str:
        """The key columns as text, comma separated."""
        return ", ".join(f"{alias}.{quoted(column.name)}::text" for column in self.key)

    def key_array(self, alias: str) -> str:
        """The key as the ledger keeps it: text[]."""
        return f"ARRAY[{self.key_texts(alias)}]"

    def edge(self, parameter: str) -> str:
        """A text[], such as a parameter, as key values with the columns' own types."""
        return ", ".join(f"({parameter}::text[])[{i}]::{column.type}" for i, column in enumerate(self.key, 1))

    def span(self, after: Key | None, upper: Key | None) -> Span:
        """The keys in (after, upper]."""
        return Span(self, after, upper)

    def text_of(self, alias: str) -> str:
        """The text of a row."""
        return text_expression(self.text, alias)

    def where(self, alias: str = "t") -> str:
        """The filter, or true."""
        if self.filter is None:
            return "true"
        return {"t": self.filter.t, "old": self.filter.old, "new": self.filter.new}[alias]


def scope_of(database: Database, migration: Migration, table: Table) -> Scope:
    """The scope of a migration on this table.

    Raises:
        Refused: a column is missing, or the filter is not a sound, immutable condition on the table.
    """
    place = migration.target.place
    beside, old_beside = _beside(migration, table.relation)
    key = tuple(table.require(name, "a key column") for name in place.key)
    base = _base(database, table, place.vector, beside, old_beside)
    texts = (place.text, migration.source.place.text)
    names = dict.fromkeys(name for text in texts for name in text_columns(text))
    named = tuple(table.require(name, "a text column") for name in names)
    vectors = {place.vector, shortened(place.vector, "_limosa"), shortened(place.vector, "_limosa_old")}
    everything = tuple(column for column in table.columns if column.name not in vectors)
    server = table.server
    if server.extension is None or server.extension_schema is None:
        raise Refused(
            f"The extension vector is not installed in {server.database}.",
            needed="pgvector 0.7 or newer.",
            do="CREATE EXTENSION vector;",
        )
    index = migration.index
    return Scope(
        id=migration.id,
        shape=migration.shape,
        relation=table.relation,
        table_oid=table.oid,
        key=key,
        text=place.text,
        text_source=everything if any(text.query for text in texts) else named,
        filter=read_filter(database, table, place.where) if place.where else None,
        vector=place.vector,
        base=index.type if index is not None and migration.shape == "upgrade" else base,
        extension_schema=server.extension_schema,
        old_dimensions=migration.source.space.dimensions,
        new_dimensions=migration.target.space.dimensions,
        beside=beside,
        old_beside=old_beside,
        in_place=migration.layout == "in_place" and migration.shape == "upgrade",
        partitioned=table.kind == "p",
    )


def _beside(migration: Migration, relation: Relation) -> tuple[Relation | None, Relation | None]:
    """The tables beside it for the vectors of the target and of the source space."""
    new: str | None = None
    if migration.layout == "side_table" and migration.shape == "upgrade":
        named = shortened(f"{relation.name}_{migration.target.place.vector}", f"_{migration.target.space.dimensions}")
        new = migration.target.place.vector_table or quoted(named)
    found: list[Relation | None] = []
    for name in (new, migration.source.place.vector_table):
        schema, bare = parse_relation(name) if name is not None else (None, None)
        found.append(Relation(schema or relation.schema, bare) if bare is not None else None)
    return found[0], found[1]


def _base(database: Database, table: Table, vector: str, beside: Relation | None, old_beside: Relation | None) -> str:
    """The element type of the old vectors; of the new ones where finish has dropped the old.

    Raises:
        Refused: there are neither.
    """
    column = table.column(vector)
    if old_beside is None and column is not None:
        return column.base
    key = tuple(each.name for each in table.columns)
    with database.autocommit() as tx:
        for relation in (old_beside, beside):
            if relation is None:
                continue
            found = seated(tx, Seat(relation=relation, column=vector, alias="v", key=key))
            if found is not None:
                return found.base
    if old_beside is not None:
        raise Refused(
            f"There is no table {old_beside} with a column {vector!r}.",
            needed="The table of vectors that the file names as [source] vector_table.",
            do="Check its name and its schema.",
        )
    return table.require(vector, "the vector column").base


_DEPARSE = """CREATE TEMP VIEW limosa_filter AS
SELECT ({where}) AS kept FROM (SELECT 1) AS limosa_one(limosa_column), {table} AS {alias}"""


def read_filter(database: Database, table: Table, where: str) -> Filter:
    """The filter as Postgres prints it, once for each alias; made in transactions that are rolled back.

    Postgres itself parses the condition and qualifies its columns, so that it can stand in a
    trigger's WHEN and beside other tables. An index predicate proves that it is immutable.

    Raises:
        Refused: it does not parse, names other tables, or is not immutable.
    """
    if table.server.recovering:
        raise Refused(
            "The server is a standby: it is in recovery and takes no writes.",
            needed="The primary server.",
            do="Set store in [source] to the primary.",
        )
    found: dict[str, str] = {}
    try:
        with database.session() as connection:
            with connection.transaction(force_rollback=True):
                tx = PostgresTx(connection, database.title)
                tx.raw(f"CREATE TEMP TABLE limosa_probe (LIKE {table.relation.sql})")
                tx.raw(f"CREATE INDEX ON limosa_probe ((1)) WHERE {where}")
            for alias in ("t", "old", "new"):
                with connection.transaction(force_rollback=True):
                    tx = PostgresTx(connection, database.title)
                    tx.raw(_DEPARSE.format(where=where, table=table.relation.sql, alias=alias))
                    text = str(tx.raw("SELECT pg_get_viewdef('pg_temp.limosa_filter'::regclass, 0)")[0][0])
                    found[alias] = _condition(text)
    except pg.InsufficientPrivilege as error:
        role = quoted(table.server.user)
        raise Refused(
            f"Postgres does not let the filter be tried: {error.diag.message_primary}",
            needed="SELECT on the table, and temporary tables in the database.",
            do=f"GRANT SELECT ON {table.relation.sql} TO {role};"
            f" GRANT TEMPORARY ON DATABASE {quoted(table.server.database)} TO {role};",
        ) from error
    except (Refused, psycopg.Error) as error:
        raise Refused(
            f"The filter {where!r} cannot be followed: {getattr(error, 'what', error)}",
            needed="A condition on the table's own columns, immutable and without subqueries.",
            do='For example: where = "deleted_at IS NULL".',
        ) from error
    return Filter(**found)


def _condition(view: str) -> str:
    # pg_get_viewdef prints "SELECT <condition> AS kept FROM ..." with our own, unique words around it.
    body = view.split("SELECT", 1)[1]
    return "(" + body[: body.rindex("AS kept")].strip() + ")"
