"""The scope of a migration in Postgres: names and SQL fragments that hold from plan to finish."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import errors as pg

from limosa.errors import Refused
from limosa.model.batch import Key
from limosa.model.migration import Migration
from limosa.model.place import Text
from limosa.stores.postgres.catalogue import Column, Table
from limosa.stores.postgres.database import Database, PostgresTx
from limosa.stores.postgres.names import Relation, quoted, shortened
from limosa.stores.postgres.seat import Seat
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

    def new(self, epoch: int) -> Seat:
        """Where the target space stands in this epoch."""
        if self.shape == "fill" or epoch % 2:
            return self._column(self.vector)
        return self._column(shortened(self.vector, "_limosa"))

    def old(self, epoch: int) -> Seat:
        """Where the source space stands in this epoch."""
        if self.shape == "upgrade" and epoch % 2:
            return self._column(shortened(self.vector, "_limosa_old"))
        return self._column(self.vector)

    def _column(self, name: str) -> Seat:
        return Seat(relation=self.relation, column=name, alias="t", key=tuple(column.name for column in self.key))

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
        """A text[] parameter as key values with the columns' own types."""
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
    key = tuple(table.require(name, "a key column") for name in place.key)
    table.require(place.vector, "the vector column")
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
    column = table.require(place.vector, "the vector column")
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
        base=index.type if index is not None and migration.shape == "upgrade" else column.base,
        extension_schema=server.extension_schema,
        old_dimensions=migration.source.space.dimensions,
        new_dimensions=migration.target.space.dimensions,
    )


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
