"""The site of a landing: its table by name, what stands there, and what the server is like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from limosa.errors import Refused
from limosa.model.migration import Form, Migration
from limosa.stores.postgres.catalogue import Server, server
from limosa.stores.postgres.database import Database, PostgresTx
from limosa.stores.postgres.landing.columns import Arrived, Field
from limosa.stores.postgres.landing.vectors import SHAPES
from limosa.stores.postgres.names import Relation, literal, parse_relation

__all__ = ["Site", "arrived_of", "site_of"]


@dataclass(frozen=True, slots=True)
class Site:
    """Where a migration lands.

    Attributes:
        id: the migration's.
        schema: of pgvector.
        build: whether indexes on the vectors are made.
    """

    id: str
    relation: Relation
    form: Form
    schema: str
    build: bool
    server: Server

    @property
    def table_oid(self) -> int:
        """Not known before the table is made."""
        return 0

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
        """A query: does this migration's table stand?"""
        return (
            f"SELECT coalesce(obj_description(to_regclass({literal(self.relation.sql)}), 'pg_class') IN"
            f" ({literal(self.mark)}, {literal(self.live)}), false)"
        )

    def standing(self, tx: PostgresTx) -> Arrived | None:
        """The columns of this migration's table as the catalogue has them; None while it does not stand."""
        if not tx.raw(self.made)[0][0]:
            return None
        return arrived_of(self.relation, self.form, tx)


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
    return Site(
        id=migration.id,
        relation=Relation(schema, name),
        form=form,
        schema=facts.extension_schema,
        build=migration.copy.build,
        server=facts,
    )
