"""Checks of a table itself: what it is, its key, its vector column, the server, and the limits of the index."""

from __future__ import annotations

import json
import re
from typing import Protocol

from limosa.model.migration import Migration
from limosa.model.plan import Check
from limosa.stores.postgres.catalogue import OLDEST, Column, Table
from limosa.stores.postgres.indexes import MAX_DIMENSIONS
from limosa.stores.postgres.names import quoted
from limosa.stores.postgres.partitioned import unfit_partitions
from limosa.stores.postgres.scope import Scope
from limosa.stores.postgres.surroundings import KeyColumn, Surroundings

__all__ = [
    "KEY_TYPES",
    "Kin",
    "WITH_HALFVEC",
    "key_checks",
    "key_column_checks",
    "layout_checks",
    "server_checks",
    "table_checks",
    "vector_checks",
    "version_of",
]

KEY_TYPES = {
    "int8": "bigint",
    "int4": "integer",
    "int2": "smallint",
    "uuid": "uuid",
    "text": "text",
    "varchar": "character varying",
    "timestamptz": "timestamp with time zone",
    "date": "date",
}
"""Types of key columns: each comes back equal from its text, whatever the session's settings are."""

_KINDS = {
    "v": ("a view", "Name the table that holds the rows."),
    "m": ("a materialized view", "Name the table that holds the rows."),
    "f": ("a foreign table", "Set store in [source] to the server that holds the rows."),
}
_PERSISTENCE = {"u": "unlogged: it is empty after a crash", "t": "temporary: only its own session sees it"}

_WITHOUT_HALFVEC = (0, 5)
WITH_HALFVEC = (0, 7)
"""HNSW came with pgvector 0.5.0, halfvec with 0.7.0 (its CHANGELOG)."""


class Kin(Protocol):
    """The tables from which a table inherits, and those that inherit from it."""

    @property
    def parents(self) -> tuple[str, ...]:
        """From which it inherits, or of which it is a partition."""
        ...

    @property
    def children(self) -> tuple[str, ...]:
        """That inherit from it."""
        ...


def table_checks(table: Table, around: Kin) -> list[Check]:
    """Only an ordinary table keeps every row that is written to it, and fires its triggers for every change.

    One that is partitioned does where its partitions are such tables.
    """
    needed = "An ordinary, logged table of its own, or one whose partitions are."
    wrong = unfit_partitions(table)
    if table.kind in _KINDS:
        said, do = _KINDS[table.kind]
        wrong.append((f"{table.relation} is {said}.", do))
    if table.persistence in _PERSISTENCE:
        do = (
            f"ALTER TABLE {table.relation.sql} SET LOGGED;"
            if table.persistence == "u"
            else "Make it an ordinary table."
        )
        wrong.append((f"{table.relation} is {_PERSISTENCE[table.persistence]}.", do))
    if table.partition:
        do = f"Name {', '.join(around.parents)} as table: its partitions are taken together."
        wrong.append((f"{table.relation} is a partition of {', '.join(around.parents)}.", do))
    elif around.parents:
        do = f"ALTER TABLE {table.relation.sql} NO INHERIT {around.parents[0]};"
        wrong.append((f"{table.relation} inherits from {', '.join(around.parents)}.", do))
    if around.children and table.kind != "p":
        said = f"{', '.join(around.children)} inherits from {table.relation}."
        wrong.append((said, f"ALTER TABLE {around.children[0]} NO INHERIT {table.relation.sql};"))
    if not wrong:
        said = "an ordinary table" if table.kind != "p" else f"a table with {len(table.partitions)} partitions"
        return [Check(name="table", verdict="ok", said=f"{table.relation} is {said}.")]
    return [Check(name="table", verdict="refused", said=said, needed=needed, do=do) for said, do in wrong]


def key_checks(table: Table, scope: Scope, around: Surroundings) -> list[Check]:
    """A unique key on exactly the file's columns, without NULL, of types whose text means the same everywhere."""
    names = tuple(column.name for column in scope.key)
    found: list[Check] = []
    if names not in table.unique_keys:
        found.append(_no_key(table, names))
    found += [check for key in around.keys for check in key_column_checks(table, key)]
    return found or [Check(name="key", verdict="ok", said=f"({', '.join(names)}) identifies every row.")]


def _no_key(table: Table, names: tuple[str, ...]) -> Check:
    listed = ", ".join(names)
    turned = next((each for each in table.unique_keys if sorted(each) == sorted(names)), None)
    if turned is not None:
        said = (
            f"The unique key of {table.relation} is ({', '.join(turned)}), in another order than the file's ({listed})."
        )
        do = f"Set key = {json.dumps(turned, ensure_ascii=False)} in [source]."
        return Check(name="key", verdict="refused", said=said, needed="The columns in the index's order.", do=do)
    said = f"{table.relation} has no unique key on ({listed})."
    unfit = [each.name for each in table.indexes if each.unique and sorted(each.columns) == sorted(names)]
    if unfit:
        said += f" {', '.join(unfit)} is not valid, is deferrable, or holds for some rows only."
    elif table.unique_keys:
        said += " It has one on " + " and on ".join(f"({', '.join(each)})" for each in table.unique_keys) + "."
    columns = ", ".join(quoted(name) for name in names)
    return Check(
        name="key",
        verdict="refused",
        said=said,
        needed="A unique index that is valid, not deferrable and without a condition, on exactly these columns.",
        do=f"CREATE UNIQUE INDEX CONCURRENTLY ON {table.relation.sql} ({columns}); or name another key in the file.",
    )


def key_column_checks(table: Table, key: KeyColumn) -> list[Check]:
    """What stands against a column in a key; empty where nothing does."""
    found = []
    if not key.not_null:
        found.append(
            Check(
                name="key",
                verdict="refused",
                said=f"The key column {key.name} of {table.relation} may be NULL.",
                needed="Key columns that are NOT NULL: rows without a key would be passed over.",
                do=f"ALTER TABLE {table.relation.sql} ALTER COLUMN {quoted(key.name)} SET NOT NULL;",
            )
        )
    if key.base not in KEY_TYPES:
        found.append(
            Check(
                name="key",
                verdict="refused",
                said=f"The key column {key.name} of {table.relation} is of type {key.type}.",
                needed="One of " + ", ".join(KEY_TYPES.values()) + ", or a domain over one of them.",
                do="Name another unique key in the file, or add a column of one of these types with a unique index.",
            )
        )
    if not key.deterministic:
        found.append(
            Check(
                name="key",
                verdict="refused",
                said=f"The key column {key.name} has the nondeterministic collation {key.collation}.",
                needed="A collation under which equal keys are equal texts.",
                do='Name another unique key, or give the column a deterministic collation such as "C".',
            )
        )
    return found


def vector_checks(table: Table, scope: Scope, migration: Migration, sizes: dict[int, int]) -> list[Check]:
    """The vector column is one, and holds the dimensions that the file says.

    Args:
        sizes: dimensions to how many values have them; empty where the column declares its dimensions.
    """
    column = table.require(scope.vector, "the vector column")
    if column.base not in MAX_DIMENSIONS or column.type.endswith("[]"):
        return [_other_type(table, column, migration)]
    if column.generated:
        said = f"{table.relation}.{column.name} is a generated column."
        do = "Migrate the column that it is generated from."
        return [Check(name="vector", verdict="refused", said=said, needed="A column that is written.", do=do)]
    wanted = migration.source.space.dimensions
    fine = Check(name="vector", verdict="ok", said=f"{table.relation}.{column.name} is {column.type}.")
    if column.dimensions is not None:
        if column.dimensions == wanted:
            return [fine]
        do = f"Set dimensions = {column.dimensions} in [source.space]."
        if column.dimensions == migration.target.space.dimensions:
            do += " It is the target's size: was this table migrated before?"
        said = f"{table.relation}.{column.name} is {column.type}; the file says {wanted} dimensions."
        needed = "The column's own size, as format_type prints it."
        return [Check(name="dimensions", verdict="refused", said=said, needed=needed, do=do)]
    if set(sizes) <= {wanted}:
        return [fine]
    shown = ", ".join(f"{rows:,} of {d} dimensions" for d, rows in sorted(sizes.items(), key=lambda each: -each[1]))
    said = f"{table.relation}.{column.name} declares no dimension and holds {shown}; the file says {wanted}."
    if len(sizes) > 1:
        do = "Set the vectors of other sizes to NULL, or move them to a column of their own; then plan again."
        needed = "Vectors of one space."
    else:
        do, needed = f"Set dimensions = {next(iter(sizes))} in [source.space].", "The size that the values have."
    return [Check(name="dimensions", verdict="refused", said=said, needed=needed, do=do)]


def _other_type(table: Table, column: Column, migration: Migration) -> Check:
    d = migration.source.space.dimensions
    do = "Name the column that holds the vectors."
    if re.fullmatch(r"(real|double precision|numeric(\(.*\))?)\[\]", column.type):
        name = quoted(column.name)
        do = (
            f"It is an array of numbers: ALTER TABLE {table.relation.sql} ALTER COLUMN {name}"
            f" TYPE vector({d}) USING {name}::vector({d}); this rewrites the table under a lock."
        )
    return Check(
        name="vector",
        verdict="refused",
        said=f"{table.relation}.{column.name} is of type {column.type}.",
        needed="A column of pgvector's type vector or halfvec.",
        do=do,
    )


def server_checks(table: Table, scope: Scope) -> list[Check]:
    """The server writes, is new enough, and so is the extension."""
    server = table.server
    found = []
    if server.version < OLDEST:
        said, needed = f"The server is Postgres {server.version // 10000}.", "Postgres 15 or newer (security_invoker)."
        found.append(Check(name="server", verdict="refused", said=said, needed=needed, do="Upgrade the server."))
    if server.recovering:
        said = "The server is a standby: it is in recovery and takes no writes."
        do = "Set store in [source] to the primary."
        found.append(Check(name="recovery", verdict="refused", said=said, needed="The primary server.", do=do))
    halfvec = scope.base == "halfvec"
    least = WITH_HALFVEC if halfvec else _WITHOUT_HALFVEC
    if version_of(server.extension) < least:
        why = "the type halfvec" if halfvec else "HNSW"
        found.append(
            Check(
                name="extension",
                verdict="refused",
                said=f"The extension vector is {server.extension}.",
                needed=f"{least[0]}.{least[1]} or newer, for {why}.",
                do="Install a newer pgvector on the server, then ALTER EXTENSION vector UPDATE;",
            )
        )
    if found:
        return found
    return [
        Check(name="server", verdict="ok", said=f"Postgres {server.version // 10000}, pgvector {server.extension}.")
    ]


def version_of(text: str | None) -> tuple[int, ...]:
    """The first two numbers of an extension's version; empty where it has none."""
    return tuple(int(part) for part in re.findall(r"\d+", text or "")[:2])


def layout_checks(scope: Scope, migration: Migration) -> list[Check]:
    """The index takes the new dimensions, and the type stores them."""
    if scope.shape == "fill" or migration.index is None:
        return []
    kind, d, limit = migration.index.kind, scope.new_dimensions, MAX_DIMENSIONS.get(scope.base, 0)
    if not limit or d <= limit:
        return []
    if scope.base == "vector" and d <= MAX_DIMENSIONS["halfvec"]:
        do = (
            f'Set type = "halfvec" in [target.index]: the column becomes halfvec({d}), {2 * d + 8:,} bytes a vector'
            f" instead of {4 * d + 8:,}, with an index half the size and nearly the same recall."
        )
    else:
        do = f"Choose at most {MAX_DIMENSIONS['halfvec']} dimensions where the model offers it, or set index = false."
    return [
        Check(
            name="index-limit",
            verdict="refused",
            said=f"{kind} takes at most {limit:,} dimensions of type {scope.base}; the target has {d:,}.",
            needed="An index that the column can have.",
            do=do,
        )
    ]
