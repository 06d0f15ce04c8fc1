"""The site of a landing: its table by name, what stands there, and what the server is like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from limosa.errors import Refused
from limosa.model.migration import Form, Migration
from limosa.stores.postgres.catalogue import Server, server
from limosa.stores.postgres.database import Database, PostgresTx
from limosa.stores.postgres.landing.columns import Arrived, Field
from limosa.stores.postgres.landing.vectors import SHAPES
from limosa.stores.postgres.names import Relation, literal, parse_relation

__all__ = ["Site", "arrived_of", "settled", "site_of"]


@dataclass(frozen=True, slots=True)
class Site:
    """Where a migration lands.

    Attributes:
        id: the migration's.
        schema: of pgvector.
        build: whether indexes on the vectors are made.
        listed: where the keys of the rows that are points are listed, in a column ``key``; None where every row of the
            table is one: it is this migration's own then, and else the application's.
    """

    id: str
    relation: Relation
    form: Form
    schema: str
    build: bool
    server: Server
    listed: Relation | None = None

    @property
    def table_oid(self) -> int:
        """Not known before the table is made."""
        return 0

    @property
    def marked(self) -> Relation:
        """What bears the migration's comment: its own table, or its list beside the application's."""
        return self.listed or self.relation

    @property
    def mark(self) -> str:
        """The comment by which a table is known as this migration's."""
        return f"limosa {self.id}"

    @property
    def live(self) -> str:
        """The same once the application reads it."""
        return f"{self.mark}, in use"

    @property
    def made(self) -> str:
        """A query: does what this migration makes for its points stand?"""
        return f"SELECT coalesce({_comment(self.marked)} IN ({literal(self.mark)}, {literal(self.live)}), false)"

    @property
    def in_use(self) -> str:
        """A query: does the application read the table?"""
        return f"SELECT coalesce({_comment(self.marked)} = {literal(self.live)}, false)"

    def standing(self, tx: PostgresTx) -> Arrived | None:
        """The columns of the table as the catalogue has them; None while nothing is made for points."""
        if not tx.raw(self.made)[0][0]:
            return None
        return arrived_of(self.relation, self.form, tx)


def settled(site: Site, tx: PostgresTx) -> Site:
    """The site as it is now: a table that stands, and that this migration did not make, is the application's."""
    landed = Relation("limosa", f"landed_{site.id}")
    own = replace(site, listed=None)
    theirs = tx.raw(
        f"SELECT to_regclass($1) IS NOT NULL OR to_regclass($2) IS NOT NULL AND NOT ({own.made})",
        landed.sql,
        site.relation.sql,
    )[0][0]
    return replace(site, listed=landed) if theirs else own


def _comment(relation: Relation) -> str:
    return f"obj_description(to_regclass({literal(relation.sql)}), 'pg_class')"


def arrived_of(relation: Relation, form: Form, tx: PostgresTx) -> Arrived:
    """The columns of a table by the parts that a form gives them.

    Raises:
        Refused: a column is not there, or cannot be what it is named for.
    """
    rows = tx.raw(
        "SELECT a.attname, format_type(a.atttypid, NULL), t.typname, a.atttypmod, t.typelem, e.typname"
        " FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid LEFT JOIN pg_type AS e ON e.oid = t.typelem"
        " WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        relation.sql,
    )
    found = {row[0]: row[1:] for row in rows}
    taken = {
        form.key,
        form.rest,
        form.made.column if form.made is not None else None,
        *(column for _, column in form.vectors),
    }
    columns = form.columns
    if columns is None:
        columns = tuple((name, name) for name in found if name not in taken)
    fields = [Field(form.key, _require(relation, found, form.key)[0], "key")]
    fields += [Field(form.made.column, "uuid", "made")] if form.made is not None else []
    fields += [Field(name, _require(relation, found, name)[0], "field", source) for name, source in columns]
    if form.rest is not None:
        fields.append(Field(form.rest, _require(relation, found, form.rest)[0], "rest"))
    fields += [_vector(relation, found, column, name) for name, column in form.vectors]
    return Arrived(tuple(fields))


def _vector(relation: Relation, found: Mapping[str, tuple[Any, ...]], column: str, name: str) -> Field:
    _, base, size, element, of = _require(relation, found, column)
    type_ = "vector[]" if base == "_vector" else str(base)
    if type_ not in SHAPES:
        raise Refused(
            f"{relation}.{column} is of the type {type_}, whose vectors are not carried.",
            needed=f"One of: {', '.join(SHAPES)}.",
        )
    dimensions = int(size) if type_ != "sparsevec" and int(size) > 0 else None
    return Field(column, type_, "vector", name, dimensions, int(element) if of is not None else 0)


def _require(relation: Relation, found: Mapping[str, tuple[Any, ...]], name: str) -> tuple[Any, ...]:
    if name not in found:
        listed = ", ".join(found) or "none"
        raise Refused(f"{relation} has no column {name}; it has {listed}.", needed="The columns that the file names.")
    return found[name]


def site_of(database: Database, migration: Migration) -> Site:
    """Looks at the server; the table may stand or not.

    Raises:
        Refused: pgvector is not installed, or the role may not make a table.
    """
    form = migration.copy.target if migration.copy is not None else None
    assert migration.copy is not None  # noqa: S101 - asked of a copy only
    assert form is not None  # noqa: S101 - and of one to a table
    place = migration.target.place
    schema, name = parse_relation(place.table)
    with database.begin() as tx:
        facts = server(tx)
        if schema is None:
            schema = str(tx.raw("SELECT coalesce(current_schema(), 'public')")[0][0])
    if facts.extension_schema is None:
        raise Refused(
            "pgvector is not installed in this database.",
            needed="The extension vector.",
            do="CREATE EXTENSION vector;",
        )
    site = Site(
        id=migration.id,
        relation=Relation(schema, name),
        form=form,
        schema=facts.extension_schema,
        build=migration.copy.build,
        server=facts,
    )
    with database.begin() as tx:
        return settled(site, tx)
